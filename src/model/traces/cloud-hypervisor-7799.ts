import { TRACE_VERSION, type Trace } from "../trace.ts";

const MIB = 2 ** 20;

/** What was sent, how long that and its overhead took, and what was dirty then. */
export const cloudHypervisor7799: Trace = {
  traceVersion: TRACE_VERSION,
  name: "cloud-hypervisor-7799",
  about: "6 GiB guest that writes nearly all of its memory as fast as it is sent",
  source: "github.com/cloud-hypervisor/cloud-hypervisor/pull/7799, log in the description",
  assumed: "the hand-over: 8 ms",
  memoryBytes: 6144 * MIB,
  iterations: [
    { bytes: 6144 * MIB, durationMs: 3110, dirtyBytes: 5418 * MIB },
    { bytes: 5418 * MIB, durationMs: 3026, dirtyBytes: 5418 * MIB },
    { bytes: 5418 * MIB, durationMs: 2979, dirtyBytes: 5428 * MIB },
    { bytes: 5428 * MIB, durationMs: 3076, dirtyBytes: 5418 * MIB },
  ],
};
