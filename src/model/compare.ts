import { limitPolicy } from "./policies/limit.ts";
import type { PolicyOptions, PrecopyPolicy } from "./policy.ts";
import { type BestStop, bestStop, costMs } from "./regret.ts";
import { type SimulatedMigration, simulate } from "./simulate.ts";
import type { Trace } from "./trace.ts";
import { iterationsOf, type TraceOptions } from "./trace-source.ts";

/** What a policy made of a trace. */
export interface PolicyResult extends SimulatedMigration {
  readonly policy: string;
  readonly parameters: Readonly<Record<string, number>>;
  /**
   * Cost above that of the best stop point (ms of downtime, time weighed in); see `costMs`. Below 0
   * where a guest was slowed down, which the best stop point is not; absent where it was not moved.
   */
  readonly regretMs?: number;
}

/** What each policy made of a trace, in the order in which they were given. */
export interface TraceComparison {
  readonly trace: Trace;
  readonly best: BestStop;
  readonly results: readonly PolicyResult[];
}

/** How policies are compared. */
export interface CompareOptions extends TraceOptions {
  /** Milliseconds of downtime that a second of total time is worth. */
  readonly weight: number;
}

/** Downtime limit that others use unless told otherwise (ms). */
const USUAL_LIMIT_MS = 300;

/** A limit of 300 ms, which has no bound on iterations: to be compared with. */
export function usualLimit({ totalMsMax }: Pick<PolicyOptions, "totalMsMax">): PrecopyPolicy {
  return limitPolicy(USUAL_LIMIT_MS, { iterationsMax: 1e6, totalMsMax });
}

/** Runs each policy on the same trace, and finds the best that any could have done. */
export function comparePolicies(
  trace: Trace,
  policies: readonly PrecopyPolicy[],
  options: CompareOptions,
): TraceComparison {
  const best = bestStop(iterationsOf(trace, options), options.weight);
  const results = policies.map((policy): PolicyResult => {
    const outcome = simulate(iterationsOf(trace, options), policy, options);
    const regretMs = costMs(outcome, options.weight) - best.costMs;
    return {
      ...outcome,
      policy: policy.name,
      parameters: policy.parameters,
      ...(outcome.action === "stop-and-copy" && { regretMs }),
    };
  });
  return { trace, best, results };
}
