import type {
  PolicyOptions,
  PrecopyDecision,
  PrecopyPolicy,
  PrecopyStatistics,
} from "../policy.ts";
import { downtimeEstimateMs, isHalving, limitReached } from "./estimates.ts";

/** Bounds and target of {@link downtimePolicy}. */
export type DowntimePolicyOptions = Omit<PolicyOptions, "deadlineMs">;

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
    decide: (statistics) => decide(statistics, options),
  };
}

function decide(statistics: PrecopyStatistics, options: DowntimePolicyOptions): PrecopyDecision {
  const estimateMs = downtimeEstimateMs(statistics);
  const estimate = `downtime about ${estimateMs.toFixed(1)} ms`;
  if (estimateMs <= options.downtimeTargetMs) {
    if (isHalving(statistics) && limitReached(statistics, options) === undefined) {
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
