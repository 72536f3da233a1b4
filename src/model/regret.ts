import type { IterationSource, StopPoint } from "./iteration-source.ts";

/**
 * What a second of migration weighs, in milliseconds of downtime: the guest runs on meanwhile, if a
 * little slower, and a link is busy.
 */
export const TOTAL_WEIGHT = 1;

/** More iterations are not looked at for the best. */
const ITERATIONS_MAX = 20_000;

/** The best that any policy could have done, knowing all that was to come. */
export interface BestStop {
  /** Iterations before it. */
  readonly iterations: number;
  readonly point: StopPoint;
  readonly costMs: number;
}

/**
 * What a migration costs (ms): its downtime, and what its total time weighs. What a policy cost
 * more than the best stop point is its regret.
 *
 * @param weight milliseconds of downtime that a second of total time is worth.
 */
export function costMs(
  { downtimeMs, totalMs }: Pick<StopPoint, "downtimeMs" | "totalMs">,
  weight = TOTAL_WEIGHT,
): number {
  return downtimeMs + (weight * totalMs) / 1000;
}

/** Finds the best point to stop at; the earliest of several. @param source a fresh one. */
export function bestStop(source: IterationSource, weight = TOTAL_WEIGHT): BestStop {
  let best: BestStop | undefined;
  for (let iterations = 1; iterations <= ITERATIONS_MAX; iterations++) {
    if (source.next(1) === undefined) {
      break;
    }
    const point = source.stopHere();
    const cost = costMs(point, weight);
    if (best === undefined || cost < best.costMs) {
      best = { iterations, point, costMs: cost };
    }
    // From here on time alone costs more than the best did.
    if (costMs({ downtimeMs: 0, totalMs: point.totalMs }, weight) > best.costMs) {
      break;
    }
  }
  if (best === undefined) {
    throw new RangeError("no iteration to stop after");
  }
  return best;
}
