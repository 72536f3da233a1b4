import { BATCH_PAGES_MAX, PAGE_BYTES } from "../base/units.ts";
import type { PageDataEvent, StreamEvent } from "../codec/events.ts";
import { madePageData } from "../codec/made-events.ts";
import { hasStreamData } from "../format/page-type.ts";
import { dropAlignment, type StreamEvents } from "./rewrite-stage.ts";

/** Frames of a superpage, which a receiver gives out where they come in one record. */
export const SUPERPAGE_FRAMES = 512;

/**
 * Whether a PAGE_DATA of `count` entries should end before `pfn`: it is full, or a superpage that
 * begins there would not fit in.
 *
 * @source xg_sr_restore.c populate_pfns: superpages only of what is in one record
 */
export function endsBatch(count: number, pagesMax: number, pfn: number): boolean {
  const isStart = pagesMax >= SUPERPAGE_FRAMES && pfn % SUPERPAGE_FRAMES === 0;
  return count === pagesMax || (isStart && count > pagesMax - SUPERPAGE_FRAMES);
}

/**
 * Puts the entries of PAGE_DATA records that follow each other into records of up to `pagesMax`,
 * in their order.
 *
 * A record holds a frame once, and entries of one iteration: another begins where a record starts
 * below the end of the one before it.
 *
 * @param pagesMax 1 to {@link BATCH_PAGES_MAX}.
 */
export async function* batchPages(events: StreamEvents, pagesMax: number): StreamEvents {
  const batch = new Batch(pagesMax);
  for await (const event of dropAlignment(events)) {
    if (event.kind === "page-data") {
      yield* batch.take(event);
    } else {
      yield* batch.flush();
      yield event;
    }
  }
  yield* batch.flush();
}

/** Entries on their way from records as they came to records as they go. */
class Batch {
  readonly #pagesMax: number;
  readonly #pfns = new Uint32Array(BATCH_PAGES_MAX);
  readonly #types = new Uint8Array(BATCH_PAGES_MAX);
  readonly #pages: Uint8Array;
  /** Only where frames do not rise. */
  #seen: Set<number> | undefined;
  #last: PageDataEvent | undefined;
  #count = 0;
  #pageBytes = 0;

  constructor(pagesMax: number) {
    this.#pagesMax = pagesMax;
    this.#pages = new Uint8Array(pagesMax * PAGE_BYTES);
  }

  /** Takes a record's entries; yields the records that they fill, each valid until the next. */
  *take(event: PageDataEvent): Generator<StreamEvent, void, undefined> {
    const { pfns, types, pages } = event;
    if (this.#count > 0 && pfns[0]! <= this.#pfns[this.#count - 1]!) {
      yield* this.flush();
    }
    let taken = 0;
    let end = 0;
    for (let index = 0; index < pfns.length; index++) {
      const pfn = pfns[index]!;
      if (endsBatch(this.#count, this.#pagesMax, pfn) || this.#has(pfn)) {
        this.#copy(pages.subarray(taken, end));
        taken = end;
        yield* this.flush();
      }
      this.#last = event;
      this.#pfns[this.#count] = pfn;
      this.#types[this.#count++] = types[index]!;
      end += hasStreamData(types[index]!) ? PAGE_BYTES : 0;
    }
    this.#copy(pages.subarray(taken, end));
  }

  /** Yields what is there, if anything. */
  *flush(): Generator<StreamEvent, void, undefined> {
    const count = this.#count;
    if (this.#last === undefined || count === 0) {
      return;
    }
    const { offset, byteOrder } = this.#last;
    const pages = this.#pages.subarray(0, this.#pageBytes);
    this.#count = 0;
    this.#pageBytes = 0;
    this.#seen = undefined;
    const columns = { pfns: this.#pfns.subarray(0, count), types: this.#types.subarray(0, count) };
    yield madePageData({ byteOrder, ...columns, pages }, offset);
  }

  /** Whether the record being filled has the frame; from the first fall on by a set. */
  #has(pfn: number): boolean {
    if (this.#seen === undefined) {
      if (this.#count === 0 || pfn > this.#pfns[this.#count - 1]!) {
        return false;
      }
      this.#seen = new Set(this.#pfns.subarray(0, this.#count));
    }
    const isRepeated = this.#seen.has(pfn);
    this.#seen.add(pfn);
    return isRepeated;
  }

  #copy(pages: Uint8Array): void {
    this.#pages.set(pages, this.#pageBytes);
    this.#pageBytes += pages.length;
  }
}
