import type { IterationStatistics } from "../report/profile.ts";
import { AutoConverge } from "./auto-converge.ts";
import type { IterationSource, StopPoint } from "./iteration-source.ts";
import type { PrecopyDecision, PrecopyPolicy } from "./policy.ts";

/** A policy that has not stopped by then never does. */
const ITERATIONS_MAX = 5000;

/** What a policy made of a migration. */
export interface SimulatedMigration extends StopPoint {
  readonly iterations: readonly IterationStatistics[];
  /** "abort": the guest was not moved, and did not stand still. */
  readonly action: Exclude<PrecopyDecision["action"], "continue">;
  readonly stopReason: string;
  /** How far the guest was slowed down in the end; 0 unless that was asked for. */
  readonly throttlePercent: number;
}

/** How a migration is simulated. */
export interface SimulationOptions {
  /** Whether the guest is slowed down where the loop does not converge. */
  readonly isThrottling?: boolean;
}

/**
 * Runs the pre-copy loop on modelled or recorded iterations: after each the policy decides. A
 * recording that ends before the policy stops ends the loop.
 *
 * @param source a fresh one; with at least one iteration.
 */
export function simulate(
  source: IterationSource,
  policy: PrecopyPolicy,
  { isThrottling = false }: SimulationOptions = {},
): SimulatedMigration {
  const iterations: IterationStatistics[] = [];
  const converge = new AutoConverge();
  const pace = () => (isThrottling ? 1 - converge.state.percent / 100 : 1);
  const end = (action: SimulatedMigration["action"], stopReason: string): SimulatedMigration => ({
    ...source.stopHere(),
    iterations,
    action,
    stopReason,
    throttlePercent: isThrottling ? converge.state.percent : 0,
  });
  let elapsedMs = 0;
  while (iterations.length < ITERATIONS_MAX) {
    const iteration = source.next(pace());
    if (iteration === undefined) {
      return end("stop-and-copy", "the recording ends");
    }
    iterations.push(iteration);
    elapsedMs += iteration.durationMs;
    if (isThrottling) {
      converge.observe(iteration);
    }
    const dirtyPages = iteration.dirtyPagesAtEnd === "unknown" ? 0 : iteration.dirtyPagesAtEnd;
    const throttle = isThrottling ? { throttle: converge.state } : {};
    const { action, reason } = policy.decide({ iterations, dirtyPages, elapsedMs, ...throttle });
    if (action !== "continue") {
      return end(action, reason);
    }
  }
  return end("stop-and-copy", `not stopped in ${ITERATIONS_MAX} iterations`);
}
