import { PAGE_BYTES } from "../base/units.ts";
import type { PageDataEvent } from "../codec/events.ts";
import type { PageOperations } from "../engine/types.ts";
import { hasStreamData, PAGE_TYPE, pageTypeName } from "../format/page-type.ts";
import type { RandomAccess } from "../transport/image-file.ts";
import { DistinctPages } from "./distinct-pages.ts";
import { FinalMemory } from "./final-memory.ts";
import { FrameTable, type PagePlace } from "./frame-table.ts";
import { Iterations, type SentIteration } from "./iterations.ts";
import { drawMemory, type MemoryMap } from "./memory-map.ts";
import { PageRun, ZERO_PAGE } from "./page-run.ts";
import { PageStore } from "./page-store.ts";

/** Entries of `sent_at_least_n_times` at most; nothing but a hostile stream comes near. */
const SENT_TIMES_MAX = 65_536;

/** What a stream's PAGE_DATA records say of frames. Names as in other tools' summaries. */
export interface FrameSummary {
  /** Entries of all records outside a VERIFY section. */
  readonly entries: number;
  readonly distinct: number;
  /** Entry n - 1: frames that came n times or more. */
  readonly sent_at_least_n_times: readonly number[];
  /** Frames that have a page at the end, and how many of those are all zero. */
  readonly with_memory: number;
  readonly all_zero: number;
  readonly lowest: number;
  readonly highest: number;
  /** Frames by the page type they had last. */
  readonly by_type: Readonly<Record<string, number>>;
}

/** Digest of the memory a receiver ends up with, and how much of it is there more than once. */
export interface MemoryDigest {
  /**
   * SHA-256 over every frame that has a page, rising: its number as 64 bits little-endian, then
   * the page. A frame that was only allocated has one of zeros.
   */
  readonly sha256: string;
  /** Frames whose page, not all zero, is that of another frame, too; all of them but one. */
  readonly duplicates: number | undefined;
}

/** One frame, as a receiver ends up with it. */
export interface FrameState {
  readonly pfn: number;
  readonly pageType: number;
  /** How often it came. */
  readonly sentTimes: number;
  /** Its page; `undefined` where it has none. */
  readonly page: Uint8Array | undefined;
}

/**
 * How pages are found again, for the digest or to be looked at: read from the image again, spooled
 * to a temporary file, or not at all.
 */
export type PageKeeping =
  | { readonly kind: "none" }
  | { readonly kind: "reread"; readonly image: RandomAccess }
  | { readonly kind: "spool" };

/** Keeps track of the memory that a receiver of a stream ends up with. */
export class MemoryImage {
  readonly #keeping: PageKeeping;
  readonly #frames = new FrameTable();
  readonly #iterations = new Iterations();
  readonly #sentTimes: number[] = [];
  #entries = 0;
  #store: PageStore | undefined;

  constructor(keeping: PageKeeping) {
    this.#keeping = keeping;
  }

  /** Takes the entries of a record; the last page of a frame counts. */
  async take(event: PageDataEvent): Promise<void> {
    const { pfns, types, pages, pagesOffset } = event;
    let pageAt = 0;
    this.#entries += pfns.length;
    this.#iterations.startRecord(event);
    for (let index = 0; index < pfns.length; index++) {
      const [pfn, type] = [pfns[index]!, types[index]!];
      const slot = this.#frames.touch(pfn);
      const count = this.#frames.countAt(slot);
      if (count <= SENT_TIMES_MAX) {
        this.#sentTimes[count - 1] = (this.#sentTimes[count - 1] ?? 0) + 1;
      }
      this.#frames.setTypeAt(slot, type);
      this.#iterations.take(pfn, { isAgain: count > 1, hasData: hasStreamData(type) });
      if (!hasStreamData(type)) {
        this.#takeWithoutData(slot, type);
        continue;
      }
      const page = pages.subarray(pageAt, pageAt + PAGE_BYTES);
      if (Buffer.compare(page, ZERO_PAGE) === 0) {
        this.#frames.setPlaceAt(slot, "zero");
      } else if (this.#keeping.kind === "spool") {
        await this.#spool(slot, page);
      } else {
        this.#frames.setPlaceAt(slot, pagesOffset + pageAt);
      }
      pageAt += PAGE_BYTES;
    }
  }

  /**
   * A frame that is only allocated holds zeros, or what came for it before.
   *
   * @source populate_pfns, xg_sr_restore.c
   */
  #takeWithoutData(slot: number, type: number): void {
    if (type !== PAGE_TYPE.XALLOC) {
      this.#frames.setPlaceAt(slot, "none");
    } else if (this.#frames.placeAt(slot) === "none") {
      this.#frames.setPlaceAt(slot, "zero");
    }
  }

  /** What came so far. */
  summary(): FrameSummary {
    const pfns = this.#frames.sortedPfns();
    const byType = new Array<number>(16).fill(0);
    let withMemory = 0;
    let allZero = 0;
    for (const pfn of pfns) {
      const slot = this.#frames.slotOf(pfn)!;
      const place = this.#frames.placeAt(slot);
      const type = this.#frames.typeAt(slot);
      withMemory += place === "none" ? 0 : 1;
      allZero += place === "zero" ? 1 : 0;
      byType[type] = byType[type]! + 1;
    }
    const types = [...byType.entries()].filter(([, count]) => count > 0);
    return {
      entries: this.#entries,
      distinct: this.#frames.frameCount,
      sent_at_least_n_times: this.#sentTimes,
      with_memory: withMemory,
      all_zero: allZero,
      lowest: pfns[0] ?? 0,
      highest: pfns.at(-1) ?? 0,
      by_type: Object.fromEntries(types.map(([type, count]) => [pageTypeLabel(type), count])),
    };
  }

  /** What was sent in each iteration, as far as the order of frames tells. */
  iterations(): readonly SentIteration[] {
    return this.#iterations.all;
  }

  /** Where in the guest's memory there is what. */
  map(): MemoryMap {
    return drawMemory(this.#frames.sortedPfns(), (pfn) => {
      const slot = this.#frames.slotOf(pfn)!;
      return { place: this.#frames.placeAt(slot), pageType: this.#frames.typeAt(slot) };
    });
  }

  /**
   * Reads all memory again, in the order of frames. `undefined` where pages are not kept.
   *
   * @param engine counts duplicates; without one they are not counted.
   * @throws MigrationError TRANSPORT_LOST, STREAM_TRUNCATED; the signal's reason.
   */
  async digest(
    engine: Pick<PageOperations, "digestPages"> | undefined,
    signal: AbortSignal | undefined,
  ): Promise<MemoryDigest | undefined> {
    if (this.#keeping.kind === "none") {
      return undefined;
    }
    const distinct = engine === undefined ? undefined : new DistinctPages(engine);
    const run = new PageRun(this.#source, distinct);
    let contents = 0;
    for (const pfn of this.#frames.sortedPfns()) {
      const place = this.#frames.placeOf(pfn);
      contents += typeof place === "number" ? 1 : 0;
      if (place !== "none" && !run.add(pfn, place)) {
        signal?.throwIfAborted();
        await run.hash();
        run.add(pfn, place);
      }
    }
    await run.hash();
    const duplicates = distinct === undefined ? undefined : contents - distinct.count;
    return { sha256: run.digest(), duplicates };
  }

  /**
   * A frame with its page, a copy; `undefined` if the stream does not name it.
   *
   * @throws MigrationError TRANSPORT_LOST, STREAM_TRUNCATED
   */
  async frame(pfn: number): Promise<FrameState | undefined> {
    const slot = this.#frames.slotOf(pfn);
    if (slot === undefined) {
      return undefined;
    }
    const page = await this.#readPage(this.#frames.placeAt(slot));
    const [pageType, sentTimes] = [this.#frames.typeAt(slot), this.#frames.countAt(slot)];
    return { pfn, pageType, sentTimes, page };
  }

  /**
   * The frames that have memory at the end, with their pages. To be asked for once everything has
   * been taken; usable until `close`, and only where pages are kept.
   */
  final(): FinalMemory {
    return FinalMemory.of(this.#frames, this.#source);
  }

  /** Removes the temporary file, if there is one. Called once, whatever happened. */
  async close(): Promise<void> {
    await this.#store?.close();
  }

  get #source(): RandomAccess | PageStore | undefined {
    return this.#keeping.kind === "reread" ? this.#keeping.image : this.#store;
  }

  async #readPage(place: PagePlace): Promise<Uint8Array | undefined> {
    if (place === "none") {
      return undefined;
    }
    const page = new Uint8Array(PAGE_BYTES);
    if (place !== "zero") {
      await this.#source?.readAt(place, page);
    }
    return page;
  }

  /** A frame keeps its place in the file, unless it was all zero or gone meanwhile. */
  async #spool(slot: number, page: Uint8Array): Promise<void> {
    this.#store ??= await PageStore.create();
    const place = this.#frames.placeAt(slot);
    const old = typeof place === "number" ? place : undefined;
    this.#frames.setPlaceAt(slot, await this.#store.put(page, old));
  }
}

/** Name of a page type; pinned page tables are named as other tools do. */
export function pageTypeLabel(pageType: number): string {
  const name = pageTypeName(pageType) ?? `0x${pageType.toString(16)}`;
  return name.endsWith("_PIN") ? name.replace("_PIN", " pinned") : name;
}
