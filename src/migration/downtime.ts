import type { Downtime } from "../report/profile.ts";
import type { TransferOutcome } from "./transfer.ts";

/** Parts of downtime on the source's clock. */
export function downtimeOf(
  outcome: TransferOutcome,
  permittedMs: number,
  resumedMs: number,
): Downtime {
  const { suspendMs, harvestMs, finalCopyMs, stateMs } = outcome;
  const handoverMs = permittedMs - outcome.streamEndMs;
  const resumeMs = resumedMs - permittedMs;
  const totalMs = resumedMs - outcome.suspendStartMs;
  return { suspendMs, harvestMs, finalCopyMs, stateMs, handoverMs, resumeMs, totalMs };
}
