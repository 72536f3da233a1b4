import { PAGE_BYTES } from "../../base/units.ts";
import { TRACE_VERSION, type Trace } from "../trace.ts";

const GUEST_PAGES = 2 ** 20;
const SENT_PAGES = 18_645_754;
const ITERATIONS = 4001;
const BYTES_PER_SECOND = 117e6;

const firstBytes = GUEST_PAGES * PAGE_BYTES;
const meanBytes = ((SENT_PAGES - GUEST_PAGES) / ITERATIONS) * PAGE_BYTES;
const durationMsOf = (bytes: number) => (bytes * 1000) / BYTES_PER_SECOND;

/** A loop that had no bound: 4003 iterations, the last of them of 3 pages and none. */
export const xcpNg72: Trace = {
  traceVersion: TRACE_VERSION,
  name: "xcp-ng-72",
  about: "a loop without a bound: 18.6 million pages in 4003 iterations, until none was dirty",
  source: "github.com/xcp-ng/xcp/issues/72, log of 2019-01-02",
  assumed: "4 GiB guest, 1 Gbit/s, all iterations but the first and the last two alike",
  memoryBytes: firstBytes,
  iterations: [
    { bytes: firstBytes, durationMs: durationMsOf(firstBytes), dirtyBytes: meanBytes },
    {
      bytes: meanBytes,
      durationMs: durationMsOf(meanBytes),
      dirtyBytes: meanBytes,
      repeat: ITERATIONS - 1,
    },
    { bytes: meanBytes, durationMs: durationMsOf(meanBytes), dirtyBytes: 3 * PAGE_BYTES },
    { bytes: 3 * PAGE_BYTES, durationMs: 1, dirtyBytes: 0 },
  ],
};
