/** What a trial works with, and what it gives. */
import type { Column } from "../matrix.ts";
import { Guest } from "./guest.ts";
import type { Commands } from "./xl.ts";

/** What was measured, units last. */
export type Facts = Readonly<Record<string, number | string>>;

export interface Bench {
  readonly column: Column;
  /** Unlike that of any other guest of this boot. */
  readonly guestName: string;
  readonly commands: Commands;
  /** An empty folder for images, in memory. */
  readonly folder: string;
}

/** The guest of a trial, which counts; with `isLoaded` it rewrites memory meanwhile. */
export function create(bench: Bench, { isLoaded = false } = {}): Promise<Guest> {
  return Guest.create(bench.column, {
    name: bench.guestName,
    commands: bench.commands,
    isLoaded,
  });
}
