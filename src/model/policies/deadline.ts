import type {
  PolicyOptions,
  PrecopyDecision,
  PrecopyPolicy,
  PrecopyStatistics,
} from "../policy.ts";
import {
  downtimeEstimateMs,
  finalCopyEstimateMs,
  isHalving,
  leastDirtyPages,
} from "./estimates.ts";

/** Bound of {@link deadlinePolicy}, and what to do where it cannot be kept. */
export type DeadlinePolicyOptions = Pick<PolicyOptions, "deadlineMs" | "aboveTarget">;

/**
 * Share of the time in which it is only looked what there is to be had: who takes the first that is
 * as good as all before from there on does best with what comes in no order (1/e).
 */
const LOOKING_SHARE = 0.37;

/** Iterations after which enough was looked at, however short they were. */
const LOOKING_ITERATIONS = 30;

/** What counts as no more dirty pages than the least seen. */
const LEAST_SHARE = 1.05;

/** A final copy shorter than this is lost in the hand-over (ms). */
const NEGLIGIBLE_COPY_MS = 0.8;

/** Iterations whose dirty rate says how much the next may leave. */
const RECENT_ITERATIONS = 3;

/**
 * Uses the time there is to find a moment with little left to copy: the guest runs at the other end
 * before the deadline, if iteration 0 leaves that possible, and stands still as briefly as may be.
 */
export function deadlinePolicy(options: DeadlinePolicyOptions): PrecopyPolicy {
  return {
    name: "deadline",
    parameters: { deadlineMs: options.deadlineMs },
    decide: (statistics) => decide(statistics, options),
  };
}

function decide(
  statistics: PrecopyStatistics,
  { deadlineMs, aboveTarget }: DeadlinePolicyOptions,
): PrecopyDecision {
  const { iterations, elapsedMs, dirtyPages } = statistics;
  const estimate = `downtime about ${downtimeEstimateMs(statistics).toFixed(1)} ms`;
  const leftMs = deadlineMs - elapsedMs;
  if (leftMs < downtimeEstimateMs(statistics)) {
    return { action: aboveTarget, reason: `deadline of ${deadlineMs} ms missed; ${estimate}` };
  }
  if (finalCopyEstimateMs(statistics) <= NEGLIGIBLE_COPY_MS) {
    return { action: "stop-and-copy", reason: `next to nothing is left; ${estimate}` };
  }
  if (leftMs < msOfOneMore(statistics)) {
    return { action: "stop-and-copy", reason: `no time for another iteration; ${estimate}` };
  }
  const hasLooked =
    elapsedMs >= deadlineMs * LOOKING_SHARE || iterations.length >= LOOKING_ITERATIONS;
  const isLeast = dirtyPages <= leastDirtyPages(iterations) * LEAST_SHARE;
  if (hasLooked && isLeast && !isHalving(statistics)) {
    return { action: "stop-and-copy", reason: `as little left as ever; ${estimate}` };
  }
  return { action: "continue", reason: `${estimate}, ${(leftMs / 1000).toFixed(1)} s left` };
}

/** How long another iteration and the downtime after it would take, as recent ones went (ms). */
function msOfOneMore(statistics: PrecopyStatistics): number {
  const last = statistics.iterations.at(-1);
  const recent = statistics.iterations.slice(-RECENT_ITERATIONS);
  const dirtyPagesPerSecond = Math.max(...recent.map((entry) => entry.dirtyPagesPerSecond));
  const nextMs = finalCopyEstimateMs(statistics) + (last?.logDirtyMs ?? 0);
  const nextDirtyPages = Math.max(statistics.dirtyPages, (dirtyPagesPerSecond * nextMs) / 1000);
  return nextMs + downtimeEstimateMs({ ...statistics, dirtyPages: nextDirtyPages });
}
