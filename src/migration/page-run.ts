import { createHash, type Hash } from "node:crypto";
import { PAGE_BYTES } from "../base/units.ts";
import type { RandomAccess } from "../transport/image-file.ts";
import type { DistinctPages } from "./distinct-pages.ts";
import type { PageStore } from "./page-store.ts";

/** Octets that are read back at once. */
const READ_BYTES = 1024 * 1024;

/** Frames hashed in one go without reading anything back. */
const RUN_FRAMES_MAX = 4096;

/** A page of zeros. */
export const ZERO_PAGE = new Uint8Array(PAGE_BYTES);

/** Frames to hash in order, of which those with content lie behind each other in the store. */
export class PageRun {
  readonly #source: RandomAccess | PageStore | undefined;
  readonly #distinct: DistinctPages | undefined;
  readonly #hash: Hash = createHash("sha256");
  readonly #pages = new Uint8Array(READ_BYTES);
  readonly #pfnWord = new Uint8Array(8);
  #pfns: number[] = [];
  #isZero: boolean[] = [];
  #start = 0;
  #bytes = 0;

  /** @param distinct is shown every page that is not all zero. */
  constructor(source: RandomAccess | PageStore | undefined, distinct: DistinctPages | undefined) {
    this.#source = source;
    this.#distinct = distinct;
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
      this.#distinct?.take(pages);
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

  /** The digest of all runs, in hexadecimal. Called once, last. */
  digest(): string {
    return this.#hash.digest("hex");
  }
}
