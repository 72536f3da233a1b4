import { PAGE_BYTES } from "../base/units.ts";
import {
  LEGACY_BATCH_PAGES_MAX,
  LEGACY_DELTA_BYTES_MAX,
  LEGACY_PENDING_PAGES_MAX,
} from "../format/legacy.ts";
import { hasStreamData } from "../format/page-type.ts";
import type { BatchColumns } from "./batch.ts";
import { DeltaPages } from "./delta.ts";
import type { LegacyPagesEvent, LegacySteps } from "./events.ts";
import type { LegacyInput } from "./input.ts";

/** Pages of compressed checkpoints: batches that name them come first, their data later. */
export class PendingPages {
  readonly #input: LegacyInput;
  readonly #deltas = new DeltaPages();
  readonly #pfns = new Uint32Array(LEGACY_BATCH_PAGES_MAX);
  readonly #types = new Uint8Array(LEGACY_BATCH_PAGES_MAX);
  readonly #pages = new Uint8Array(LEGACY_BATCH_PAGES_MAX * PAGE_BYTES);
  /** Entries with data that wait for it. */
  #waiting: { readonly pfn: number; readonly pageType: number }[] = [];

  constructor(input: LegacyInput) {
    this.#input = input;
  }

  /**
   * Takes a batch's entries.
   *
   * @returns those without data, which wait for nothing; `undefined` if there are none.
   * @throws MigrationError LEGACY_COMPRESSION: more pages wait than a sender keeps.
   */
  add({ pfns, types }: BatchColumns, offset: number): LegacyPagesEvent | undefined {
    let count = 0;
    for (const [index, pfn] of pfns.entries()) {
      const pageType = types[index]!;
      if (hasStreamData(pageType)) {
        this.#waiting.push({ pfn, pageType });
      } else {
        this.#pfns[count] = pfn;
        this.#types[count] = pageType;
        count++;
      }
    }
    const pagesWaiting = this.#waiting.length;
    if (pagesWaiting > LEGACY_PENDING_PAGES_MAX) {
      throw this.#input.error("LEGACY_COMPRESSION", {
        pagesWaiting,
        pagesWaitingMax: LEGACY_PENDING_PAGES_MAX,
      });
    }
    return count === 0 ? undefined : this.#event(offset, count, 0);
  }

  /** Most octets that the data of the pages that wait can have. */
  get packedBytesMax(): number {
    return this.#waiting.length * LEGACY_DELTA_BYTES_MAX;
  }

  /**
   * Unpacks data of pages that wait, in their order.
   *
   * @throws MigrationError LEGACY_COMPRESSION, with the page and where in `packed` it starts
   */
  *unpack(packed: Uint8Array, offset: number): LegacySteps<void> {
    let at = 0;
    let done = 0;
    while (at < packed.length) {
      let count = 0;
      while (at < packed.length && count < LEGACY_BATCH_PAGES_MAX) {
        at = this.#unpackOne(packed, at, { waitingIndex: done, index: count });
        done++;
        count++;
      }
      yield this.#event(offset, count, count);
    }
    this.#waiting = this.#waiting.slice(done);
  }

  /** @throws MigrationError LEGACY_COMPRESSION: data is missing */
  checkEmpty(): void {
    const pagesWaiting = this.#waiting.length;
    if (pagesWaiting > 0) {
      throw this.#input.error("LEGACY_COMPRESSION", { pagesWaiting, problem: "no data came" });
    }
  }

  #unpackOne(
    packed: Uint8Array,
    at: number,
    { waitingIndex, index }: { readonly waitingIndex: number; readonly index: number },
  ): number {
    const entry = this.#waiting[waitingIndex];
    if (entry === undefined) {
      throw this.#input.error("LEGACY_COMPRESSION", { at, problem: "data of no page" });
    }
    const out = this.#pages.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES);
    const next = this.#deltas.unpack(entry, packed, at, out);
    if (next === undefined) {
      throw this.#input.error("LEGACY_COMPRESSION", { at, pfn: entry.pfn });
    }
    this.#pfns[index] = entry.pfn;
    this.#types[index] = entry.pageType;
    return next;
  }

  #event(offset: number, count: number, dataPages: number): LegacyPagesEvent {
    return {
      kind: "pages",
      offset,
      pfns: this.#pfns.subarray(0, count),
      types: this.#types.subarray(0, count),
      pages: this.#pages.subarray(0, dataPages * PAGE_BYTES),
    };
  }
}
