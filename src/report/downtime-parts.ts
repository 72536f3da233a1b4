import type { Downtime } from "./profile.ts";

/** A part of downtime, in words. */
export interface DowntimePart {
  readonly key: Exclude<keyof Downtime, "totalMs">;
  readonly name: string;
  readonly meaning: string;
}

/** The parts of downtime in their order. */
export const DOWNTIME_PARTS: readonly DowntimePart[] = [
  { key: "suspendMs", name: "suspend", meaning: "from the request until every vCPU stood still" },
  { key: "harvestMs", name: "harvest", meaning: "the last reading of the dirty bitmap" },
  { key: "finalCopyMs", name: "final copy", meaning: "sending the pages that were still dirty" },
  { key: "stateMs", name: "state", meaning: "reading and sending state records" },
  {
    key: "handoverMs",
    name: "hand-over",
    meaning: "from the stream's end until the receiver was ready and got permission",
  },
  { key: "resumeMs", name: "resume", meaning: "from permission until the guest was said to run" },
];
