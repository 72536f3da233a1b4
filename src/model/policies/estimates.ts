import { PAGE_BYTES } from "../../base/units.ts";
import type { IterationStatistics } from "../../report/profile.ts";
import type { PolicyOptions, PrecopyStatistics } from "../policy.ts";

/** Octets on the wire for each page: data and pfn word. */
export const WIRE_PAGE_BYTES = PAGE_BYTES + 8;

/**
 * What downtime has besides the final copy and the last reading of the dirty bitmap (ms): suspend,
 * state records, hand-over, resume. An upper bound of what an embedded guest needs on one machine;
 * a link's round trips come on top.
 */
export const HANDOVER_ALLOWANCE_MS = 8;

/** A final copy shorter than this is not worth another iteration (ms). */
export const FINAL_COPY_MS_MIN = 0.2;

/** Iterations whose rate counts: as many as there are in most migrations. */
const RATE_ITERATIONS = 31;

/** Iterations without a new minimum of dirty pages after which the loop gains nothing. */
const STALLED_ITERATIONS = 3;

/** A minimum counts as new when it is below this share of the last one. */
const GAIN_SHARE = 0.95;

/** More dirty pages than this share of the least there were are a burst, which will end. */
const BURST_SHARE = 1.15;

/** How long the end of a burst is waited for, of the time until the least. */
const PATIENCE_SHARE = 0.5;

/** Estimates the downtime if the guest were suspended now (ms). */
export function downtimeEstimateMs(statistics: PrecopyStatistics): number {
  const harvestMs = statistics.iterations.at(-1)?.logDirtyMs ?? 0;
  return finalCopyEstimateMs(statistics) + harvestMs + HANDOVER_ALLOWANCE_MS;
}

/**
 * Estimates how long the final copy would take now (ms).
 *
 * The rate is the median of the last iterations, weighted by nothing: one slow or fast
 * outlier does not decide. Without a rate (nothing was sent) the estimate is 0 pages' worth.
 */
export function finalCopyEstimateMs({ iterations, dirtyPages }: PrecopyStatistics): number {
  const rates = iterations
    .slice(-RATE_ITERATIONS)
    .filter((entry) => entry.pagesSent > 0 && entry.bytesPerSecond > 0)
    .map((entry) => entry.bytesPerSecond)
    .sort((a, b) => a - b);
  const rate = rates[Math.floor(rates.length / 2)];
  return rate === undefined ? 0 : (dirtyPages * WIRE_PAGE_BYTES * 1000) / rate;
}

/** Whether the last iteration halved what it had to send, and what is left is worth a copy. */
export function isHalving(statistics: PrecopyStatistics): boolean {
  const last = statistics.iterations.at(-1);
  return (
    last !== undefined &&
    statistics.dirtyPages * 2 <= last.pagesPlanned &&
    finalCopyEstimateMs(statistics) > FINAL_COPY_MS_MIN
  );
}

/** Least dirty pages that an iteration ended with; endless before the first. */
export function leastDirtyPages(iterations: readonly IterationStatistics[]): number {
  return iterations.reduce(
    (least, entry) => Math.min(least, dirtyPagesOf(entry)),
    Number.POSITIVE_INFINITY,
  );
}

/** Which of the bounds is reached, or that nothing is gained any more, in words. */
export function limitReached(
  statistics: PrecopyStatistics,
  options: Pick<PolicyOptions, "iterationsMax" | "totalMsMax">,
): string | undefined {
  return (
    boundReached(statistics, options) ??
    (hasStalled(statistics) ? `nothing gained in ${STALLED_ITERATIONS} iterations` : undefined)
  );
}

/** Which of the bounds is reached, in words. */
export function boundReached(
  { iterations, elapsedMs }: PrecopyStatistics,
  options: Pick<PolicyOptions, "iterationsMax" | "totalMsMax">,
): string | undefined {
  if (iterations.length >= options.iterationsMax) {
    return `bound of ${options.iterationsMax} iterations reached`;
  }
  return elapsedMs >= options.totalMsMax ? `bound of ${options.totalMsMax} ms reached` : undefined;
}

/**
 * Whether the last iterations brought no new minimum of dirty pages, and waiting brings none. Where
 * much more is left than at the minimum, as in a burst of writing, the end of that is waited for
 * half as long as it took to get to the minimum. A guest that can be slowed down further has not
 * stalled; one that was, not before as many iterations at its new pace.
 */
export function hasStalled({ iterations, throttle }: PrecopyStatistics): boolean {
  const entries = iterations.filter(
    ({ iteration }) => iteration >= (throttle?.sinceIteration ?? 0),
  );
  const dirty = entries.map(dirtyPagesOf);
  if (throttle?.canRise === true || dirty.length <= STALLED_ITERATIONS) {
    return false;
  }
  const before = Math.min(...dirty.slice(0, -STALLED_ITERATIONS));
  if (Math.min(...dirty.slice(-STALLED_ITERATIONS)) < before * GAIN_SHARE) {
    return false;
  }
  const least = dirty.indexOf(Math.min(...dirty));
  const isBurst = dirty.at(-1)! > dirty[least]! * BURST_SHARE;
  const waitedMs = durationMsOf(entries.slice(least + 1));
  return !isBurst || waitedMs >= durationMsOf(entries.slice(0, least + 1)) * PATIENCE_SHARE;
}

function durationMsOf(iterations: readonly IterationStatistics[]): number {
  return iterations.reduce((sum, { durationMs }) => sum + durationMs, 0);
}

function dirtyPagesOf({ dirtyPagesAtEnd }: IterationStatistics): number {
  return dirtyPagesAtEnd === "unknown" ? Number.POSITIVE_INFINITY : dirtyPagesAtEnd;
}
