import { isPopulatedPageType, PAGE_TYPE } from "../format/page-type.ts";

/** Frames that a chunk has room for. */
const CHUNK_FRAMES = 4096;

/** Chunks that any stream may use, and one more for each so many frames that got memory. */
const CHUNKS_FREE = 4096;
const FRAMES_PER_CHUNK_MIN = 16;

/** Set in a state once the frame got memory; the rest is the page type that came last. */
const POPULATED_MASK = 0x80;
const TYPE_MASK = 0x0f;

/** CRC32C of a page of zeros, which is what a frame holds that was allocated only. */
const ZERO_PAGE_CRC = 0x98f9_4189;

interface Chunk {
  readonly firstPfn: number;
  readonly states: Uint8Array;
  readonly crcs: Uint32Array | undefined;
  readonly places: Float64Array | undefined;
}

/** What restoring makes of a frame. */
export interface FrameState {
  readonly pageType: number;
  readonly isPopulated: boolean;
}

/** How {@link FrameStates} takes frames down. */
export interface FrameStatesOptions {
  /** Whether checksums of pages are kept, at four octets a frame; and where they lie, at eight. */
  readonly checksums: "keep" | "keep-with-places" | "none";
}

/**
 * The frames of a guest as restoring makes them: an octet each, in chunks where there are any.
 *
 * Memory goes with the frames that got memory: a stream whose frames lie scattered so that most of
 * a chunk is empty is not followed once it has used up 4096 chunks; {@link isScattered} says so.
 */
export class FrameStates {
  readonly #chunks = new Map<number, Chunk>();
  readonly #options: FrameStatesOptions;
  #last: Chunk | undefined;
  #populatedCount = 0;
  #isScattered = false;

  constructor(options: FrameStatesOptions) {
    this.#options = options;
  }

  /** Frames that got memory. */
  get populatedCount(): number {
    return this.#populatedCount;
  }

  /** Whether frames were left out, because they lie too far from each other. */
  get isScattered(): boolean {
    return this.#isScattered;
  }

  /**
   * Takes down that `pfn` comes with `pageType`.
   *
   * @returns whether it got memory by that.
   * @source xg_sr_restore.c populate_pfns, process_page_data
   */
  set(pfn: number, pageType: number): boolean {
    const isPopulating = isPopulatedPageType(pageType);
    const chunk = this.#chunkOf(pfn) ?? (isPopulating ? this.#addChunk(pfn) : undefined);
    if (chunk === undefined) {
      return false;
    }
    const at = pfn - chunk.firstPfn;
    const wasPopulated = (chunk.states[at]! & POPULATED_MASK) !== 0;
    chunk.states[at] = pageType | (wasPopulated || isPopulating ? POPULATED_MASK : 0);
    if (wasPopulated || !isPopulating) {
      return false;
    }
    this.#populatedCount++;
    if (chunk.crcs !== undefined) {
      chunk.crcs[at] = ZERO_PAGE_CRC;
    }
    return true;
  }

  /** What became of `pfn`: an ordinary page without memory, if it never came. */
  get(pfn: number): FrameState {
    const chunk = this.#chunkOf(pfn);
    const state = chunk?.states[pfn - chunk.firstPfn] ?? PAGE_TYPE.NOTAB;
    return { pageType: state & TYPE_MASK, isPopulated: (state & POPULATED_MASK) !== 0 };
  }

  /** Takes down the checksum of the page that `pfn` holds now, and its offset in the stream. */
  setCrc(pfn: number, crc: number, place: number): void {
    const chunk = this.#chunkOf(pfn);
    if (chunk?.crcs !== undefined) {
      chunk.crcs[pfn - chunk.firstPfn] = crc;
    }
    if (chunk?.places !== undefined) {
      chunk.places[pfn - chunk.firstPfn] = place;
    }
  }

  /** The checksum of the page that `pfn` holds; `undefined` if it has none. */
  crcOf(pfn: number): number | undefined {
    const chunk = this.#chunkOf(pfn);
    const at = chunk === undefined ? 0 : pfn - chunk.firstPfn;
    const isPopulated = chunk !== undefined && (chunk.states[at]! & POPULATED_MASK) !== 0;
    return isPopulated ? chunk.crcs?.[at] : undefined;
  }

  /**
   * Calls `visit` with each frame that got memory, rising: the checksum of its page, the type that
   * came last, and where the page lies; -1 where it came without, or that is not kept.
   */
  eachCrc(visit: (pfn: number, crc: number, pageType: number, place: number) => void): void {
    const chunks = [...this.#chunks.values()].sort((one, other) => one.firstPfn - other.firstPfn);
    for (const { firstPfn, states, crcs, places } of chunks) {
      for (let at = 0; at < CHUNK_FRAMES; at++) {
        if (crcs !== undefined && (states[at]! & POPULATED_MASK) !== 0) {
          visit(firstPfn + at, crcs[at]!, states[at]! & TYPE_MASK, places?.[at] ?? -1);
        }
      }
    }
  }

  #chunkOf(pfn: number): Chunk | undefined {
    const last = this.#last;
    if (last !== undefined && pfn >= last.firstPfn && pfn - last.firstPfn < CHUNK_FRAMES) {
      return last;
    }
    const chunk = this.#chunks.get(Math.floor(pfn / CHUNK_FRAMES));
    this.#last = chunk ?? last;
    return chunk;
  }

  #addChunk(pfn: number): Chunk | undefined {
    const chunksMax = CHUNKS_FREE + this.#populatedCount / FRAMES_PER_CHUNK_MIN;
    if (this.#chunks.size >= chunksMax) {
      this.#isScattered = true;
      return undefined;
    }
    const index = Math.floor(pfn / CHUNK_FRAMES);
    const { checksums } = this.#options;
    const chunk: Chunk = {
      firstPfn: index * CHUNK_FRAMES,
      states: new Uint8Array(CHUNK_FRAMES),
      crcs: checksums === "none" ? undefined : new Uint32Array(CHUNK_FRAMES),
      places:
        checksums === "keep-with-places" ? new Float64Array(CHUNK_FRAMES).fill(-1) : undefined,
    };
    this.#chunks.set(index, chunk);
    this.#last = chunk;
    return chunk;
  }
}
