import { PAGE_BYTES } from "../../base/units.ts";
import { TRACE_VERSION, type Trace } from "../trace.ts";

const KIB = 1024;

/** A guest that QEMU did not get moved within 25 minutes, until it slowed it down. */
export const qemuAutoConverge: Trace = {
  traceVersion: TRACE_VERSION,
  name: "qemu-auto-converge",
  about: "Java warehouse on 20 vCPUs and 256 GiB that writes a little more than the link carries",
  source: "QEMU commit 7ca1dfad952d8a8655b32e78623edcc38a51b14a, numbers in its message",
  assumed:
    "iteration 0 sends as much data as all of the slowed-down migration did; the link is what " +
    "1487 s carried; remaining pages were dirtied at the stated rate",
  memoryBytes: 268_444_224 * KIB,
  dataBytes: 28_179_884 * KIB,
  linkBytesPerSecond: (383_749_347 * KIB) / 1487.503,
  dirtyCurve: [
    { windowMs: 1000, dirtyBytes: 67_551 * PAGE_BYTES },
    { windowMs: (2_753_372 * KIB * 1000) / (67_551 * PAGE_BYTES), dirtyBytes: 2_753_372 * KIB },
  ],
};
