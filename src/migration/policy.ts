import { PAGE_BYTES } from "../base/units.ts";
import type { IterationStatistics } from "../report/profile.ts";

/** What a policy sees when an iteration has ended and the guest still runs. */
export interface PrecopyStatistics {
  /** All iterations so far, the last one with its `dirtyPagesAtEnd` known. */
  readonly iterations: readonly IterationStatistics[];
  /** Pages that the final copy would send now, deferred pages included. */
  readonly dirtyPages: number;
  readonly elapsedMs: number;
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

/** Bounds and target of {@link downtimePolicy}. */
export interface DowntimePolicyOptions {
  /** Stop when the downtime, all parts of it, is expected to be no longer. */
  readonly downtimeTargetMs: number;
  readonly iterationsMax: number;
  readonly totalMsMax: number;
  /** What to do where a bound is reached, or nothing is gained, above the target. */
  readonly aboveTarget: "stop-and-copy" | "abort";
}

export const DOWNTIME_POLICY_DEFAULTS: DowntimePolicyOptions = {
  downtimeTargetMs: 50,
  iterationsMax: 30,
  totalMsMax: 300_000,
  aboveTarget: "stop-and-copy",
};

/** Iterations without a new minimum of dirty pages after which the loop gains nothing. */
const STALLED_ITERATIONS = 3;

/** A minimum counts as new when it is below this share of the last one. */
const GAIN_SHARE = 0.95;

/**
 * What downtime has besides the final copy and the last reading of the dirty bitmap (ms): suspend,
 * state records, hand-over, resume. An upper bound of what an embedded guest needs on one machine;
 * a link's round trips come on top.
 */
const HANDOVER_ALLOWANCE_MS = 8;

/** A final copy shorter than this is not worth another iteration (ms). */
const FINAL_COPY_MS_MIN = 0.2;

/** Octets on the wire for each page: data and pfn word. */
const WIRE_PAGE_BYTES = PAGE_BYTES + 8;

/**
 * Stops when the estimated downtime fits the target, when the loop stops gaining, or at a bound.
 * Below the target it goes on as long as iterations halve what is left: those are short, and the
 * downtime is shorter for them.
 */
export function downtimePolicy(options: DowntimePolicyOptions): PrecopyPolicy {
  return {
    name: "downtime",
    parameters: {
      downtimeTargetMs: options.downtimeTargetMs,
      iterationsMax: options.iterationsMax,
      totalMsMax: options.totalMsMax,
    },
    decide: (statistics) => decideByDowntime(statistics, options),
  };
}

function decideByDowntime(
  statistics: PrecopyStatistics,
  options: DowntimePolicyOptions,
): PrecopyDecision {
  const estimateMs = downtimeEstimateMs(statistics);
  const estimate = `downtime about ${estimateMs.toFixed(1)} ms`;
  if (estimateMs <= options.downtimeTargetMs) {
    if (isWorthAnother(statistics) && limitReached(statistics, options) === undefined) {
      return { action: "continue", reason: `${estimate}, and falling` };
    }
    return {
      action: "stop-and-copy",
      reason: `${estimate}, within the target of ${options.downtimeTargetMs} ms`,
    };
  }
  const limit = limitReached(statistics, options);
  return limit === undefined
    ? { action: "continue", reason: `${estimate}, above the target` }
    : { action: options.aboveTarget, reason: `${limit}; ${estimate}, above the target` };
}

function limitReached(
  { iterations, elapsedMs }: PrecopyStatistics,
  options: DowntimePolicyOptions,
): string | undefined {
  if (iterations.length >= options.iterationsMax) {
    return `bound of ${options.iterationsMax} iterations reached`;
  }
  if (elapsedMs >= options.totalMsMax) {
    return `bound of ${options.totalMsMax} ms reached`;
  }
  return hasStalled(iterations) ? `nothing gained in ${STALLED_ITERATIONS} iterations` : undefined;
}

/** Estimates the downtime if the guest were suspended now (ms). */
export function downtimeEstimateMs(statistics: PrecopyStatistics): number {
  const harvestMs = statistics.iterations.at(-1)?.logDirtyMs ?? 0;
  return finalCopyEstimateMs(statistics) + harvestMs + HANDOVER_ALLOWANCE_MS;
}

/** Whether the last iteration halved what it had to send, and what is left is worth a copy. */
function isWorthAnother(statistics: PrecopyStatistics): boolean {
  const last = statistics.iterations.at(-1);
  return (
    last !== undefined &&
    statistics.dirtyPages * 2 <= last.pagesPlanned &&
    finalCopyEstimateMs(statistics) > FINAL_COPY_MS_MIN
  );
}

/**
 * Estimates how long the final copy would take now (ms).
 *
 * The rate is the median of the iterations so far, weighted by nothing: one slow or fast
 * outlier does not decide. Without a rate (nothing was sent) the estimate is 0 pages' worth.
 */
export function finalCopyEstimateMs({ iterations, dirtyPages }: PrecopyStatistics): number {
  const rates = iterations
    .filter((entry) => entry.pagesSent > 0 && entry.bytesPerSecond > 0)
    .map((entry) => entry.bytesPerSecond)
    .sort((a, b) => a - b);
  const rate = rates[Math.floor(rates.length / 2)];
  return rate === undefined ? 0 : (dirtyPages * WIRE_PAGE_BYTES * 1000) / rate;
}

/** Whether the last iterations brought no new minimum of dirty pages. */
function hasStalled(iterations: readonly IterationStatistics[]): boolean {
  const dirty = iterations.map((entry) =>
    entry.dirtyPagesAtEnd === "unknown" ? Number.POSITIVE_INFINITY : entry.dirtyPagesAtEnd,
  );
  if (dirty.length <= STALLED_ITERATIONS) {
    return false;
  }
  const before = Math.min(...dirty.slice(0, -STALLED_ITERATIONS));
  return Math.min(...dirty.slice(-STALLED_ITERATIONS)) >= before * GAIN_SHARE;
}

const XEN_ITERATIONS_MAX = 5;
const XEN_DIRTY_PAGES_TARGET = 50;

/**
 * Xen's own rule: stop below 50 dirty pages or after 5 iterations, whatever that costs.
 *
 * @source simple_precopy_policy, xg_sr_save.c
 */
export const xenPolicy: PrecopyPolicy = {
  name: "xen",
  parameters: { iterationsMax: XEN_ITERATIONS_MAX, dirtyPagesTarget: XEN_DIRTY_PAGES_TARGET },
  decide: ({ iterations, dirtyPages }) => {
    if (dirtyPages < XEN_DIRTY_PAGES_TARGET) {
      return {
        action: "stop-and-copy",
        reason: `fewer than ${XEN_DIRTY_PAGES_TARGET} dirty pages`,
      };
    }
    return iterations.length >= XEN_ITERATIONS_MAX
      ? { action: "stop-and-copy", reason: `${XEN_ITERATIONS_MAX} iterations` }
      : { action: "continue", reason: `${dirtyPages} dirty pages` };
  },
};
