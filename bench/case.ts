import type { PageEngine } from "#dist/engine/types.js";

/** Something to time. */
export interface Task {
  readonly name: string;
  readonly run: () => unknown;
}

/** A case made ready for one engine: its memory is there and its result has been checked. */
export interface PreparedCase {
  readonly run: () => unknown;
  /** What the engine is compared with; timed in the same process on the same memory. */
  readonly baselines: readonly Task[];
}

/** One thing worth knowing about an engine. */
export interface BenchCase {
  /** For example "bitmap/scan 1%". */
  readonly name: string;
  /** Bytes that one run goes through, for the rate. */
  readonly bytesPerRun: number;
  /** Makes fixtures and checks one run's result; throws where it is wrong. */
  readonly prepare: (engine: PageEngine) => PreparedCase;
}

/** Throws unless the two are the same: a wrong result is not worth timing. */
export function check(what: string, found: number, wanted: number): void {
  if (found !== wanted) {
    throw new Error(`${what} gives ${found}, not ${wanted}`);
  }
}
