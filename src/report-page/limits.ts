import type { CellSummary } from "../report/sweep-summary.ts";

/** What no pre-copy can be better than (ms). */
export interface SweepLimit {
  readonly downtimeMs: number;
  readonly totalMs: number;
}

const PFN_WORD_BYTES = 8;
const PAGE_BYTES = 4096;

/**
 * The bounds of a cell: every page goes over the link at least once.
 *
 * @returns undefined where the link's pace is not known.
 */
export function sweepLimit({ cell, figures }: CellSummary): SweepLimit | undefined {
  const measured = figures?.bytesPerSecond.median ?? 0;
  const pace = cell.linkBytesPerSecond === 0 ? measured : cell.linkBytesPerSecond;
  if (pace <= 0) {
    return undefined;
  }
  const bytes = (cell.memoryBytes / PAGE_BYTES) * (PAGE_BYTES + PFN_WORD_BYTES);
  return { downtimeMs: 0, totalMs: (bytes * 1000) / pace };
}
