import type { PageDataEvent } from "../codec/events.ts";

/** Iterations that are told apart; nothing but a hostile stream has more. */
const ITERATIONS_MAX = 4096;

/** What one iteration of pre-copy sent. */
export interface SentIteration {
  /** Where its first record starts. */
  readonly offset: number;
  /** Frames named, those of them with data, and those that an earlier iteration named, too. */
  entries: number;
  with_data: number;
  again: number;
}

/**
 * Tells the iterations of a live save apart, which no record does.
 *
 * Senders go through memory from the first frame to the last in each iteration: where a record
 * starts at a lower frame than the one before it ended, another iteration begins. What is beyond
 * the limit counts in the last.
 *
 * @source xg_sr_save.c send_dirty_pages; batches end with the iteration
 */
export class Iterations {
  readonly all: SentIteration[] = [];
  #lastPfn = -1;

  /** Looks at where a record starts. */
  startRecord({ offset, pfns }: Pick<PageDataEvent, "offset" | "pfns">): void {
    const [first] = pfns;
    if (first === undefined) {
      return;
    }
    const isNext = this.all.length === 0 || first <= this.#lastPfn;
    if (isNext && this.all.length < ITERATIONS_MAX) {
      this.all.push({ offset, entries: 0, with_data: 0, again: 0 });
    }
  }

  /** Counts one entry of the record. */
  take(pfn: number, { isAgain, hasData }: { isAgain: boolean; hasData: boolean }): void {
    const current = this.all.at(-1)!;
    this.#lastPfn = pfn;
    current.entries++;
    current.with_data += hasData ? 1 : 0;
    current.again += isAgain ? 1 : 0;
  }
}
