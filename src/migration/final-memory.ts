import { PAGE_BYTES } from "../base/units.ts";
import { PAGE_TYPE } from "../format/page-type.ts";
import type { RandomAccess } from "../transport/image-file.ts";
import type { FrameTable } from "./frame-table.ts";
import type { PageStore } from "./page-store.ts";

/** Pages that are read at once, 1 MiB. */
const PIECE_FRAMES_MAX = 256;

/** Place of a frame that is all zero. */
const ZERO = -1;

/** Frames whose numbers follow each other. */
export interface FrameRange {
  readonly firstPfn: number;
  readonly frameCount: number;
}

/** Such frames with their pages. */
export interface MemoryPiece extends FrameRange {
  /** 4096 octets for each, valid until the next piece; `undefined` where all are zeros. */
  readonly pages: Uint8Array | undefined;
}

/**
 * The frames of a guest that have memory once it is restored: those whose last entry came with a
 * page, and those that were only allocated. What was ballooned out (XTAB) or is broken (BROKEN) has
 * none.
 *
 * 13 octets a frame, rising.
 */
export class FinalMemory {
  readonly #pfns: Uint32Array;
  readonly #types: Uint8Array;
  readonly #places: Float64Array;
  readonly #source: RandomAccess | PageStore | undefined;

  private constructor(
    pfns: Uint32Array,
    frames: FrameTable,
    source: RandomAccess | PageStore | undefined,
  ) {
    this.#pfns = pfns;
    this.#types = new Uint8Array(pfns.length);
    this.#places = new Float64Array(pfns.length);
    this.#source = source;
    for (let index = 0; index < pfns.length; index++) {
      const slot = frames.slotOf(pfns[index]!)!;
      const place = frames.placeAt(slot);
      this.#types[index] = frames.typeAt(slot);
      this.#places[index] = typeof place === "number" ? place : ZERO;
    }
  }

  /** @param source where places are; `undefined` where there is no page that is not all zero. */
  static of(frames: FrameTable, source: RandomAccess | PageStore | undefined): FinalMemory {
    const hasMemory = (pfn: number) => {
      const slot = frames.slotOf(pfn)!;
      return frames.placeAt(slot) !== "none" || frames.typeAt(slot) === PAGE_TYPE.XALLOC;
    };
    return new FinalMemory(frames.sortedPfns().filter(hasMemory), frames, source);
  }

  /** Frames with memory. */
  get frameCount(): number {
    return this.#pfns.length;
  }

  /** Their numbers, rising. */
  get pfns(): Uint32Array {
    return this.#pfns;
  }

  /** Page type of the frame at `index` of {@link pfns}: one that was only allocated is NOTAB. */
  typeAt(index: number): number {
    const type = this.#types[index]!;
    return type === PAGE_TYPE.XALLOC ? PAGE_TYPE.NOTAB : type;
  }

  /** Whether the frame at `index` is all zero. */
  isZeroAt(index: number): boolean {
    return this.#places[index] === ZERO;
  }

  /** Frames that are all zero. */
  get zeroCount(): number {
    return this.#places.reduce((count, place) => count + (place === ZERO ? 1 : 0), 0);
  }

  /** Where `pfn` stands in {@link pfns}: the first index that is not below it. */
  indexFrom(pfn: number): number {
    let [low, high] = [0, this.#pfns.length];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#pfns[middle]! < pfn) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** The number of {@link ranges}. */
  get rangeCount(): number {
    const pfns = this.#pfns;
    return pfns.reduce((count, pfn, at) => count + (pfn === pfns[at - 1]! + 1 ? 0 : 1), 0);
  }

  /** All frames as ranges that are as long as can be, rising. */
  *ranges(): Generator<FrameRange, undefined, undefined> {
    const pfns = this.#pfns;
    for (let first = 0, next = 0; first < pfns.length; first = next) {
      next = first + 1;
      while (next < pfns.length && pfns[next] === pfns[next - 1]! + 1) {
        next++;
      }
      yield { firstPfn: pfns[first]!, frameCount: next - first };
    }
  }

  /**
   * All frames with their pages, rising.
   *
   * @throws MigrationError TRANSPORT_LOST, STREAM_TRUNCATED; the signal's reason.
   */
  async *pieces(signal?: AbortSignal): AsyncGenerator<MemoryPiece, void, undefined> {
    const pages = new Uint8Array(PIECE_FRAMES_MAX * PAGE_BYTES);
    for (const { firstPfn, frameCount } of this.ranges()) {
      const start = this.indexFrom(firstPfn);
      for (let index = start, next = start; index < start + frameCount; index = next) {
        signal?.throwIfAborted();
        next = this.#pieceEnd(index, start + frameCount);
        const piece = { firstPfn: this.#pfns[index]!, frameCount: next - index };
        if (this.#places[index] === ZERO) {
          yield { ...piece, pages: undefined };
        } else {
          const content = pages.subarray(0, piece.frameCount * PAGE_BYTES);
          await this.readAt(index, content);
          yield { ...piece, pages: content };
        }
      }
    }
  }

  /**
   * A copy of a frame's page; `undefined` where it has no memory.
   *
   * @throws MigrationError TRANSPORT_LOST, STREAM_TRUNCATED
   */
  async page(pfn: number): Promise<Uint8Array | undefined> {
    const index = this.indexFrom(pfn);
    if (this.#pfns[index] !== pfn) {
      return undefined;
    }
    const page = new Uint8Array(PAGE_BYTES);
    await this.readAt(index, page);
    return page;
  }

  /**
   * Fills `out` with the pages of frames from `index` of {@link pfns} on.
   *
   * @throws MigrationError TRANSPORT_LOST, STREAM_TRUNCATED
   */
  async readAt(index: number, out: Uint8Array): Promise<void> {
    const end = index + out.length / PAGE_BYTES;
    for (let first = index, next = index; first < end; first = next) {
      const place = this.#places[first]!;
      next = this.#placesEnd(first, end);
      const part = out.subarray((first - index) * PAGE_BYTES, (next - index) * PAGE_BYTES);
      if (place === ZERO) {
        part.fill(0);
      } else {
        await this.#source?.readAt(place, part);
      }
    }
  }

  /** Where frames end that are all zero as the one at `index` is; or are not, and few enough. */
  #pieceEnd(index: number, end: number): number {
    const isZero = this.isZeroAt(index);
    const most = isZero ? end : Math.min(end, index + PIECE_FRAMES_MAX);
    let next = index + 1;
    while (next < most && this.isZeroAt(next) === isZero) {
      next++;
    }
    return next;
  }

  /** Where pages end that lie behind each other. */
  #placesEnd(index: number, end: number): number {
    const place = this.#places[index]!;
    const stepBytes = place === ZERO ? 0 : PAGE_BYTES;
    let next = index + 1;
    while (next < end && this.#places[next] === place + (next - index) * stepBytes) {
      next++;
    }
    return next;
  }
}
