import { BATCH_PAGES_MAX, PAGE_BYTES } from "../base/units.ts";
import type { PageDataEvent } from "../codec/events.ts";
import { madePageData } from "../codec/made-events.ts";
import type { ByteOrder } from "../codec/steps.ts";
import { hasStreamData, PAGE_TYPE } from "../format/page-type.ts";
import type { RandomAccess } from "../transport/image-file.ts";
import { FrameTable, type PagePlace } from "./frame-table.ts";
import { ZERO_PAGE } from "./page-run.ts";
import { PageStore } from "./page-store.ts";
import { endsBatch } from "./rewrite-batch.ts";

/**
 * The memory that a stream ends with: of each frame its last page, read again from the image or,
 * where that has no random access, from a temporary file.
 *
 * What comes after a checkpoint counts only once the next one is whole.
 */
export class FoldedMemory {
  readonly #image: RandomAccess | undefined;
  readonly #whole = new FrameTable();
  /** What came since the last checkpoint; `undefined` before there was one. */
  #later: FrameTable | undefined;
  #store: PageStore | undefined;
  /** Places in the store whose pages are no longer anyone's. */
  readonly #free: number[] = [];

  constructor(image: RandomAccess | undefined) {
    this.#image = image;
  }

  /** Takes the entries of a record. @throws MigrationError TRANSPORT_* of the temporary file */
  async take({ pfns, types, pages, pagesOffset }: PageDataEvent): Promise<void> {
    const frames = this.#later ?? this.#whole;
    let pageAt = 0;
    for (let index = 0; index < pfns.length; index++) {
      const [pfn, type] = [pfns[index]!, types[index]!];
      if (!hasStreamData(type)) {
        takeFrame(frames, pfn, type, "none");
        continue;
      }
      const page = pages.subarray(pageAt, pageAt + PAGE_BYTES);
      const isZero = Buffer.compare(page, ZERO_PAGE) === 0;
      const place = isZero
        ? "zero"
        : await this.#keep(frames.placeOf(pfn), page, pagesOffset + pageAt);
      takeFrame(frames, pfn, type, place);
      pageAt += PAGE_BYTES;
    }
  }

  /** A checkpoint is whole: what came for it counts. */
  commit(): void {
    const later = this.#later;
    this.#later = new FrameTable();
    for (const pfn of later?.sortedPfns() ?? []) {
      const slot = later!.slotOf(pfn)!;
      const before = this.#whole.placeOf(pfn);
      takeFrame(this.#whole, pfn, later!.typeAt(slot), later!.placeAt(slot));
      if (typeof before === "number" && this.#whole.placeOf(pfn) !== before) {
        this.#free.push(before);
      }
    }
  }

  /**
   * Each frame once, rising, in records that hold superpages whole; an event is valid until the
   * next.
   *
   * @throws MigrationError TRANSPORT_LOST, STREAM_TRUNCATED
   */
  async *records(
    offset: number,
    byteOrder: ByteOrder,
  ): AsyncGenerator<PageDataEvent, void, undefined> {
    const pages = new Uint8Array(BATCH_PAGES_MAX * PAGE_BYTES);
    const sorted = this.#whole.sortedPfns();
    for (let first = 0; first < sorted.length; ) {
      let end = first + 1;
      while (end < sorted.length && !endsBatch(end - first, BATCH_PAGES_MAX, sorted[end]!)) {
        end++;
      }
      const pfns = sorted.subarray(first, end);
      const types = Uint8Array.from(pfns, (pfn) => this.#whole.typeAt(this.#whole.slotOf(pfn)!));
      const byteCount = await this.#readPages(pfns, pages);
      const columns = { pfns, types, pages: pages.subarray(0, byteCount) };
      yield madePageData({ byteOrder, ...columns }, offset);
      first = end;
    }
  }

  /** Removes the temporary file, if there is one. */
  async close(): Promise<void> {
    await this.#store?.close();
  }

  /** Where a page is found again; in the store in the place of the frame's page before it. */
  async #keep(before: PagePlace, page: Uint8Array, imageOffset: number): Promise<number> {
    if (this.#image !== undefined) {
      return imageOffset;
    }
    this.#store ??= await PageStore.create();
    return await this.#store.put(page, typeof before === "number" ? before : this.#free.pop());
  }

  /** Fills `out` with the pages that `pfns` have, those that lie together at once. */
  async #readPages(pfns: Uint32Array, out: Uint8Array): Promise<number> {
    let filled = 0;
    let run = { start: 0, at: 0, bytes: 0 };
    const readRun = async () => {
      const source = this.#image ?? this.#store;
      await (run.bytes > 0 && source?.readAt(run.start, out.subarray(run.at, run.at + run.bytes)));
    };
    for (const pfn of pfns) {
      const place = this.#whole.placeOf(pfn);
      if (place === "none") {
        continue;
      }
      if (place === "zero") {
        out.fill(0, filled, filled + PAGE_BYTES);
      } else if (run.start + run.bytes === place && run.at + run.bytes === filled) {
        run.bytes += PAGE_BYTES;
      } else {
        await readRun();
        run = { start: place, at: filled, bytes: PAGE_BYTES };
      }
      filled += PAGE_BYTES;
    }
    await readRun();
    return filled;
  }
}

/**
 * Takes down what came last of a frame. One that is only allocated keeps the page that it has.
 *
 * @source xg_sr_restore.c populate_pfns, process_page_data
 */
function takeFrame(frames: FrameTable, pfn: number, type: number, place: PagePlace): void {
  const slot = frames.touch(pfn);
  if (type === PAGE_TYPE.XALLOC && frames.placeAt(slot) !== "none") {
    return;
  }
  frames.setTypeAt(slot, type);
  frames.setPlaceAt(slot, place);
}
