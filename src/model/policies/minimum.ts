import type {
  PolicyOptions,
  PrecopyDecision,
  PrecopyPolicy,
  PrecopyStatistics,
} from "../policy.ts";
import {
  boundReached,
  downtimeEstimateMs,
  FINAL_COPY_MS_MIN,
  finalCopyEstimateMs,
  leastDirtyPages,
} from "./estimates.ts";

/** Bounds of {@link minimumPolicy}. */
export type MinimumPolicyOptions = Pick<PolicyOptions, "iterationsMax" | "totalMsMax">;

/** Another iteration is worth it when it should leave no more than this share of what is left. */
const GAIN_SHARE = 0.9;

/** What counts as near the least that was ever left. */
const LEAST_SHARE = 1.1;

/** Iterations to wait for the least to come back. */
const PATIENCE_ITERATIONS = 5;

/**
 * Stops at a local minimum of what is left: where the guest writes, in the time that sending what
 * is left takes, about as much again. While more is left than there was before, as in a burst, it
 * waits for the end of that, but not for ever.
 */
export function minimumPolicy(options: MinimumPolicyOptions): PrecopyPolicy {
  const { iterationsMax, totalMsMax } = options;
  return {
    name: "minimum",
    parameters: { iterationsMax, totalMsMax },
    decide: (statistics) => decide(statistics, options),
  };
}

function decide(statistics: PrecopyStatistics, options: MinimumPolicyOptions): PrecopyDecision {
  const { iterations, dirtyPages, throttle } = statistics;
  const estimate = `downtime about ${downtimeEstimateMs(statistics).toFixed(1)} ms`;
  const stop = (why: string): PrecopyDecision => ({
    action: "stop-and-copy",
    reason: `${why}; ${estimate}`,
  });
  const bound = boundReached(statistics, options);
  if (bound !== undefined) {
    return stop(bound);
  }
  if (finalCopyEstimateMs(statistics) <= FINAL_COPY_MS_MIN) {
    return stop("next to nothing is left");
  }
  if (expectedDirtyPages(statistics) <= dirtyPages * GAIN_SHARE || throttle?.canRise === true) {
    return { action: "continue", reason: `${estimate}, and falling` };
  }
  const least = leastDirtyPages(iterations);
  if (dirtyPages <= least * LEAST_SHARE) {
    return stop("what is left is at a minimum");
  }
  const since = iterations.length - 1 - iterations.findIndex((it) => it.dirtyPagesAtEnd === least);
  return since >= PATIENCE_ITERATIONS
    ? stop(`nothing gained in ${since} iterations`)
    : { action: "continue", reason: `${estimate}, more than there was` };
}

/** What another iteration would leave, at the dirty rate of the last (pages). */
function expectedDirtyPages(statistics: PrecopyStatistics): number {
  const last = statistics.iterations.at(-1);
  const nextMs = finalCopyEstimateMs(statistics) + (last?.logDirtyMs ?? 0);
  return ((last?.dirtyPagesPerSecond ?? 0) * nextMs) / 1000;
}
