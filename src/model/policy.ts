import type { IterationStatistics } from "../report/profile.ts";

/** What a policy sees when an iteration has ended and the guest still runs. */
export interface PrecopyStatistics {
  /** All iterations so far, the last one with its `dirtyPagesAtEnd` known. */
  readonly iterations: readonly IterationStatistics[];
  /** Pages that the final copy would send now, deferred pages included. */
  readonly dirtyPages: number;
  readonly elapsedMs: number;
  /** How far the guest is slowed down; absent where that was not asked for. */
  readonly throttle?: ThrottleState;
}

/** How far a guest is slowed down so that it writes less. */
export interface ThrottleState {
  /** Share of the vCPUs' time that is taken, 0 to 99. */
  readonly percent: number;
  /** Whether it can be slowed down further. */
  readonly canRise: boolean;
  /** Number of the first iteration that ran at this share. */
  readonly sinceIteration: number;
}

/** What to do next, and why, in words for the user. */
export interface PrecopyDecision {
  readonly action: "continue" | "stop-and-copy" | "abort";
  readonly reason: string;
}

/**
 * Decides after each pre-copy iteration; a pure function of the statistics.
 *
 * @source precopy_policy_t, xenguest.h
 */
export interface PrecopyPolicy {
  readonly name: string;
  readonly parameters: Readonly<Record<string, number>>;
  decide(statistics: PrecopyStatistics): PrecopyDecision;
}

/** What can be asked of policies; each heeds what its own file says. */
export interface PolicyOptions {
  /** Stop when the downtime, all parts of it, is expected to be no longer (ms). */
  readonly downtimeTargetMs: number;
  /** From the start of pre-copy until the guest runs again (ms). */
  readonly deadlineMs: number;
  readonly iterationsMax: number;
  /** Bound on pre-copy time (ms). */
  readonly totalMsMax: number;
  /** What to do where a bound is reached, or nothing is gained, above the target. */
  readonly aboveTarget: "stop-and-copy" | "abort";
}

export const POLICY_DEFAULTS: PolicyOptions = {
  downtimeTargetMs: 50,
  deadlineMs: 120_000,
  iterationsMax: 30,
  totalMsMax: 300_000,
  aboveTarget: "stop-and-copy",
};
