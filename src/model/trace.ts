import type { DirtyPattern } from "./dirty-process.ts";

/** Version of the trace's format; raised when a field changes meaning or goes. */
export const TRACE_VERSION = 1;

/** One recorded iteration of pre-copy. */
export interface TraceIteration {
  /** Octets of memory sent. */
  readonly bytes: number;
  readonly durationMs: number;
  /** Octets of pages dirty when it ended. */
  readonly dirtyBytes: number;
  /** For so many iterations in a row, of which only the sum is known; 1 unless given. */
  readonly repeat?: number | undefined;
}

/** What a guest does with its memory, as embedded guests can be told to. */
export interface TraceWorkload {
  /** Page stores a second, all vCPUs together. */
  readonly storesPerSecond: number;
  readonly pattern: DirtyPattern;
  /** Share of memory that is ever written. */
  readonly workingSetShare: number;
  readonly vcpus: number;
  /** For so long, so many times as fast, over and over; embedded guests know no phases. */
  readonly phases?: readonly { readonly durationMs: number; readonly rate: number }[] | undefined;
}

/** A migration that was recorded, or a guest that could be migrated: one of the last three. */
export interface Trace {
  readonly traceVersion: typeof TRACE_VERSION;
  readonly name: string;
  readonly about: string;
  /** Where the facts are from. */
  readonly source?: string | undefined;
  /** Which of the numbers are conclusions from others, or assumptions. */
  readonly assumed?: string | undefined;
  readonly memoryBytes: number;
  /** Octets that iteration 0 sends with their data; all of memory unless given. */
  readonly dataBytes?: number | undefined;
  /** Octets a second; of recorded iterations as they went. */
  readonly linkBytesPerSecond?: number | undefined;
  /** Downtime besides the final copy; 8 unless given. */
  readonly handoverMs?: number | undefined;
  readonly iterations?: readonly TraceIteration[] | undefined;
  /** Octets of different pages dirtied in windows of so many milliseconds. */
  readonly dirtyCurve?:
    | readonly { readonly windowMs: number; readonly dirtyBytes: number }[]
    | undefined;
  readonly workload?: TraceWorkload | undefined;
}
