import { createHash, type Hash } from "node:crypto";
import { PAGE_BYTES } from "../base/units.ts";
import type { PageDataEvent } from "../codec/events.ts";
import { hasStreamData } from "../format/page-type.ts";
import type { RandomAccess } from "../transport/image-file.ts";
import { FrameTable } from "./frame-table.ts";
import { PageStore } from "./page-store.ts";

/** Entries of `sent_at_least_n_times` at most; nothing but a hostile stream comes near. */
const SENT_TIMES_MAX = 65_536;

/** Octets that are read back at once. */
const READ_BYTES = 1024 * 1024;

/** Frames hashed in one go without reading anything back. */
const RUN_FRAMES_MAX = 4096;

const ZERO_PAGE = new Uint8Array(PAGE_BYTES);

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
}

/**
 * How pages are found again for the digest, which needs them in the order of frames: read from
 * the image again, spooled to a temporary file, or not at all.
 */
export type DigestMethod =
  | { readonly kind: "none" }
  | { readonly kind: "reread"; readonly image: RandomAccess }
  | { readonly kind: "spool" };

/** Keeps track of the memory that a receiver of a stream ends up with. */
export class MemoryDigest {
  readonly #method: DigestMethod;
  readonly #frames = new FrameTable();
  readonly #sentTimes: number[] = [];
  #entries = 0;
  #store: PageStore | undefined;

  constructor(method: DigestMethod) {
    this.#method = method;
  }

  /** Takes the entries of a record; the last page of a frame counts. */
  async take(event: PageDataEvent): Promise<void> {
    const { pfns, types, pages, pagesOffset } = event;
    let pageAt = 0;
    this.#entries += pfns.length;
    for (let index = 0; index < pfns.length; index++) {
      const slot = this.#frames.touch(pfns[index]!);
      const count = this.#frames.countAt(slot);
      if (count <= SENT_TIMES_MAX) {
        this.#sentTimes[count - 1] = (this.#sentTimes[count - 1] ?? 0) + 1;
      }
      if (!hasStreamData(types[index]!)) {
        this.#frames.setPlaceAt(slot, "none");
        continue;
      }
      const page = pages.subarray(pageAt, pageAt + PAGE_BYTES);
      if (Buffer.compare(page, ZERO_PAGE) === 0) {
        this.#frames.setPlaceAt(slot, "zero");
      } else if (this.#method.kind === "spool") {
        await this.#spool(slot, page);
      } else {
        this.#frames.setPlaceAt(slot, pagesOffset + pageAt);
      }
      pageAt += PAGE_BYTES;
    }
  }

  /** What came so far. */
  summary(): FrameSummary {
    const pfns = this.#frames.sortedPfns();
    let withMemory = 0;
    let allZero = 0;
    for (const pfn of pfns) {
      const place = this.#frames.placeOf(pfn);
      withMemory += place === "none" ? 0 : 1;
      allZero += place === "zero" ? 1 : 0;
    }
    return {
      entries: this.#entries,
      distinct: this.#frames.frameCount,
      sent_at_least_n_times: this.#sentTimes,
      with_memory: withMemory,
      all_zero: allZero,
      lowest: pfns[0] ?? 0,
      highest: pfns.at(-1) ?? 0,
    };
  }

  /**
   * SHA-256 over every frame that has a page, rising: its number as 64 bits little-endian, then
   * the page. `undefined` where the method is none.
   *
   * @throws MigrationError TRANSPORT_LOST, STREAM_TRUNCATED; the signal's reason.
   */
  async sha256(signal?: AbortSignal): Promise<string | undefined> {
    if (this.#method.kind === "none") {
      return undefined;
    }
    const source = this.#method.kind === "reread" ? this.#method.image : this.#store;
    const run = new PageRun(source);
    for (const pfn of this.#frames.sortedPfns()) {
      const place = this.#frames.placeOf(pfn);
      if (place !== "none" && !run.add(pfn, place)) {
        signal?.throwIfAborted();
        await run.hash();
        run.add(pfn, place);
      }
    }
    await run.hash();
    return run.digest();
  }

  /** Removes the temporary file, if there is one. Called once, whatever happened. */
  async close(): Promise<void> {
    await this.#store?.close();
  }

  /** A frame keeps its place in the file, unless it was all zero or gone meanwhile. */
  async #spool(slot: number, page: Uint8Array): Promise<void> {
    this.#store ??= await PageStore.create();
    const place = this.#frames.placeAt(slot);
    const old = typeof place === "number" ? place : undefined;
    this.#frames.setPlaceAt(slot, await this.#store.put(page, old));
  }
}

/** Frames to hash in order, of which those with content lie behind each other in the store. */
class PageRun {
  readonly #source: RandomAccess | PageStore | undefined;
  readonly #hash: Hash = createHash("sha256");
  readonly #pages = new Uint8Array(READ_BYTES);
  readonly #pfnWord = new Uint8Array(8);
  #pfns: number[] = [];
  #isZero: boolean[] = [];
  #start = 0;
  #bytes = 0;

  constructor(source: RandomAccess | PageStore | undefined) {
    this.#source = source;
  }

  /** Adds a frame, or answers false if the run must be hashed first. */
  add(pfn: number, place: "zero" | number): boolean {
    if (this.#pfns.length === RUN_FRAMES_MAX) {
      return false;
    }
    if (place !== "zero") {
      const isNext = place === this.#start + this.#bytes && this.#bytes < READ_BYTES;
      if (this.#bytes > 0 && !isNext) {
        return false;
      }
      this.#start = this.#bytes === 0 ? place : this.#start;
      this.#bytes += PAGE_BYTES;
    }
    this.#pfns.push(pfn);
    this.#isZero.push(place === "zero");
    return true;
  }

  /** Reads and hashes the run, and starts a new one. */
  async hash(): Promise<void> {
    const pages = this.#pages.subarray(0, this.#bytes);
    if (pages.length > 0) {
      await this.#source?.readAt(this.#start, pages);
    }
    const view = new DataView(this.#pfnWord.buffer);
    let at = 0;
    for (const [index, pfn] of this.#pfns.entries()) {
      view.setBigUint64(0, BigInt(pfn), true);
      this.#hash.update(this.#pfnWord);
      if (this.#isZero[index]) {
        this.#hash.update(ZERO_PAGE);
      } else {
        this.#hash.update(pages.subarray(at, at + PAGE_BYTES));
        at += PAGE_BYTES;
      }
    }
    this.#pfns = [];
    this.#isZero = [];
    this.#bytes = 0;
  }

  digest(): string {
    return this.#hash.digest("hex");
  }
}
