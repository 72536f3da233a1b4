import { workloadProcess } from "../model/dirty-process.ts";
import { streamBytes } from "../model/modelled.ts";
import type { CellSummary } from "../report/sweep-summary.ts";

/** What no pre-copy of a cell's guest can be better than (ms). */
export interface SweepLimit {
  /** Sending what iterations leave at the very least. */
  readonly downtimeMs: number;
  /** Sending everything once. */
  readonly totalMs: number;
}

/** Iterations after which what is left has settled, or as good as. */
const ITERATIONS_MAX = 500;
const SETTLED_PAGES = 0.5;

/** To a tenth of a millisecond, so that what differs by a few octets is one limit. */
function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}

/**
 * The limits of a cell, from its guest's description and its link; of a link without a limit from
 * the pace that was measured.
 *
 * Each iteration has to send what became dirty during the one before, and what is expected to
 * become dirty grows with time: so iterations get shorter until one leaves as much as it sent. What
 * is left then has to be sent while the guest stands still.
 *
 * @returns undefined where nothing was measured.
 */
export function sweepLimit({ cell, figures }: CellSummary): SweepLimit | undefined {
  const measured = figures?.bytesPerSecond.median ?? 0;
  const pace = cell.linkBytesPerSecond === 0 ? measured : cell.linkBytesPerSecond;
  if (figures === undefined || pace <= 0) {
    return undefined;
  }
  const totalMs = (figures.firstBytes.median * 1000) / pace;
  const guest = workloadProcess(cell);
  let copyMs = totalMs;
  for (let iteration = 0; iteration < ITERATIONS_MAX; iteration++) {
    const left = guest.dirtyPages({ startMs: 0, durationMs: copyMs, pace: 1 });
    const nextMs = left < SETTLED_PAGES ? 0 : (streamBytes(left) * 1000) / pace;
    if (nextMs === 0 || nextMs >= copyMs * 0.9999) {
      copyMs = Math.min(copyMs, nextMs);
      break;
    }
    copyMs = nextMs;
  }
  return { downtimeMs: rounded(copyMs), totalMs: rounded(totalMs) };
}
