import type { PolicyOptions, PrecopyPolicy } from "../policy.ts";
import { boundReached, finalCopyEstimateMs } from "./estimates.ts";

/**
 * A fixed limit on the final copy and nothing else: what QEMU and Cloud Hypervisor do, with
 * 300 ms unless told otherwise. Here to be compared with.
 *
 * @source QEMU docs/devel/migration/main.rst, downtime-limit; Cloud Hypervisor
 *   docs/live_migration.md, downtime_ms
 */
export function limitPolicy(
  limitMs: number,
  options: Pick<PolicyOptions, "iterationsMax" | "totalMsMax">,
): PrecopyPolicy {
  return {
    name: "limit",
    parameters: { limitMs, ...options },
    decide: (statistics) => {
      const copyMs = finalCopyEstimateMs(statistics);
      const copy = `a final copy of about ${copyMs.toFixed(1)} ms`;
      if (copyMs <= limitMs) {
        return { action: "stop-and-copy", reason: `${copy}, within the limit of ${limitMs} ms` };
      }
      const bound = boundReached(statistics, options);
      return bound === undefined
        ? { action: "continue", reason: `${copy}, above the limit` }
        : { action: "stop-and-copy", reason: `${bound}; ${copy}, above the limit` };
    },
  };
}
