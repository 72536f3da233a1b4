import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { MigrationError } from "../../base/errors.ts";
import type { WorkloadFill, WorkloadPattern } from "../types.ts";

/** What the guest's machine code exports; contracts are in asm/guest.ts. Pointers are offsets. */
export interface GuestExports {
  readonly ABI_VERSION: WebAssembly.Global;
  configure(seed: bigint, fill: number, ramOffset: number): void;
  configurePages(
    firstPfn: number,
    stride: number,
    pageCount: number,
    pattern: number,
    readThreshold: number,
  ): void;
  configureState(
    stateOffset: number,
    stopOffset: number,
    loggingOffset: number,
    dirtyOffset: number,
  ): void;
  fillPages(firstPfn: number, pageCount: number): void;
  runOperations(countMax: number): number;
  checkPages(firstPfn: number, pageCount: number, resultOffset: number): void;
  findPopulated(pageCount: number, bitmapOffset: number): number;
  writePage(pfn: number, version: bigint): void;
}

/** Numbers by which the machine code knows fills and patterns. */
export const FILL_CODES: Readonly<Record<WorkloadFill, number>> = {
  zero: 0,
  random: 1,
  text: 2,
  "half-zero": 3,
};
export const PATTERN_CODES: Readonly<Record<WorkloadPattern, number>> = {
  sequential: 0,
  uniform: 1,
  zipf: 2,
};

/** The machine code's file; the same from `src` and from `dist`. */
export const GUEST_MODULE = fileURLToPath(new URL("../../../dist/asm/guest.wasm", import.meta.url));

/** Interface that this side speaks. */
const ABI_VERSION = 1;

/** Whether the machine code was built. */
export function hasGuestModule(): boolean {
  return existsSync(GUEST_MODULE);
}

/** Compiles the machine code. @throws MigrationError GUEST_UNAVAILABLE */
export async function compileGuestModule(): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(await readFile(GUEST_MODULE));
  } catch (error) {
    throw new MigrationError("GUEST_UNAVAILABLE", { path: GUEST_MODULE }, error);
  }
}

/**
 * Makes an instance on `memory`; it writes its constant tables there, the same each time.
 *
 * @throws MigrationError GUEST_UNAVAILABLE the module is of another version
 */
export function instantiateGuest(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): GuestExports {
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  const guest = instance.exports as unknown as GuestExports;
  if (guest.ABI_VERSION.value !== ABI_VERSION) {
    const found = Number(guest.ABI_VERSION.value);
    throw new MigrationError("GUEST_UNAVAILABLE", { abiVersion: found, expected: ABI_VERSION });
  }
  return guest;
}
