import type { IterationStatistics } from "../report/profile.ts";

/** What a migration would come to if the guest were suspended now. */
export interface StopPoint {
  readonly finalPages: number;
  readonly finalBytes: number;
  readonly finalCopyMs: number;
  readonly downtimeMs: number;
  /** From the start of pre-copy until the guest runs at the other end, or was released here. */
  readonly totalMs: number;
  readonly totalBytes: number;
}

/**
 * Pre-copy iterations one after the other, modelled or recorded. What a policy decides is only when
 * to stop: until then all policies see the same.
 */
export interface IterationSource {
  /**
   * The next iteration.
   *
   * @param pace share of their time that the vCPUs get meanwhile.
   * @returns undefined where a recording ends.
   */
  next(pace: number): IterationStatistics | undefined;
  /** What stopping here would come to; after at least one iteration. */
  stopHere(): StopPoint;
}
