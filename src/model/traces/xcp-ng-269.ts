import { PAGE_BYTES } from "../../base/units.ts";
import { TRACE_VERSION, type Trace } from "../trace.ts";

/** Pages sent from 13:43:35 to 13:43:57. */
const PAGES_PER_SECOND = (783_360 - 345_088) / 22;

/** Sent by 13:44:14, less what iteration 1 had done of it by then. */
const FIRST_PAGES = 1_301_504 - 115_712;

/** What iteration 1 had to send. */
const DIRTY_PAGES = 237_432;

/** Iteration 0 of a guest under load, and what it left. */
export const xcpNg269: Trace = {
  traceVersion: TRACE_VERSION,
  name: "xcp-ng-269",
  about: "4.5 GiB at 82 MB/s, a fifth of which iteration 0 leaves dirty",
  source: "github.com/xcp-ng/xcp/issues/269, log of Sep 15",
  assumed: "iteration 0 at one pace throughout; how the dirty pages came to be in it",
  memoryBytes: FIRST_PAGES * PAGE_BYTES,
  linkBytesPerSecond: PAGES_PER_SECOND * PAGE_BYTES,
  dirtyCurve: [
    { windowMs: (FIRST_PAGES * 1000) / PAGES_PER_SECOND, dirtyBytes: DIRTY_PAGES * PAGE_BYTES },
  ],
};
