/** What a sending helper tells of its iterations: ours in its profile, Xen's by its progress. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Helper } from "../matrix.ts";
import type { Commands, RunOptions } from "./xl.ts";

/** Of one migration. */
export interface Iterations {
  readonly count: number;
  readonly firstIterationMs: number;
}

/** Has one migration watched: its options, and what there is to tell when it has ended. */
export interface IterationWatch {
  readonly options: Pick<RunOptions, "watcher" | "environment">;
  /** @throws Error where the helper told of no iteration. */
  readonly read: () => Iterations;
}

interface Place {
  readonly commands: Commands;
  /** For what the helper tells. */
  readonly folder: string;
}

const WATCHER = fileURLToPath(new URL("watch.js", import.meta.url));

export function watchIterations(helper: Helper, place: Place): IterationWatch {
  return helper === "ours" ? profiled(place) : watched(helper, place);
}

function profiled({ folder }: Place): IterationWatch {
  const file = path.join(folder, "profile");
  return {
    options: { environment: { XENFERRY_PROFILE: file } },
    read: () => inProfile(readFileSync(file, "utf8")),
  };
}

/** By a program for libxl that runs the helper and writes its progress to a file. */
function watched(helper: Helper, { commands, folder }: Place): IterationWatch {
  const file = path.join(folder, "progress");
  const watcher = path.join(folder, "watcher");
  const { program } = commands.helperProgram(helper);
  const script = `#!/bin/sh\nexec node ${WATCHER} ${program} ${file} "$@"\n`;
  writeFileSync(watcher, script, { mode: 0o755 });
  return { options: { watcher }, read: () => inProgress(readFileSync(file, "utf8")) };
}

/** @throws Error where there is none */
export function inProfile(text: string): Iterations {
  const { iterations } = JSON.parse(text) as {
    readonly iterations: readonly { readonly durationMs: number }[];
  };
  const [first] = iterations;
  if (first === undefined) {
    throw new Error("the profile has no iterations");
  }
  return { count: iterations.length, firstIterationMs: Math.round(first.durationMs) };
}

/**
 * Of lines of milliseconds and progress, such as `812 Frames iteration 0`.
 *
 * @throws Error where there is none
 */
export function inProgress(text: string): Iterations {
  const lines = [...text.matchAll(/^(\d+) Frames iteration (\d+)/gm)].map(([, atMs, number]) => ({
    atMs: Number(atMs),
    number: Number(number),
  }));
  const first = lines.filter(({ number }) => number === 0).map(({ atMs }) => atMs);
  if (first.length < 2) {
    throw new Error(`no first iteration among what was reported: ${text.slice(0, 200)}`);
  }
  return {
    count: new Set(lines.map(({ number }) => number)).size,
    firstIterationMs: first.at(-1)! - first[0]!,
  };
}
