import { BLOCK_BYTES_MAX } from "./zstd-block.ts";
import { damaged } from "./zstd-tables.ts";

/** First memory of a history; it grows with what is decompressed, not by what a header claims. */
const HISTORY_BYTES_MIN = 1024 * 1024;

/** Shorter matches are copied octet by octet, which costs less than a call. */
const SHORT_MATCH_BYTES = 24;

/**
 * What a frame has decompressed, as far back as its window goes.
 *
 * Matches never wrap: the last window is moved to the front when the memory, a quarter larger than
 * the window, is full.
 */
export class ZstdHistory {
  readonly #windowBytes: number;
  readonly #capacityMax: number;
  #bytes = new Uint8Array(0);
  #end = 0;
  #blockStart = 0;
  #blockEnd = 0;

  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes;
    const slackBytes = Math.max(HISTORY_BYTES_MIN, Math.floor(windowBytes / 4));
    this.#capacityMax = windowBytes + slackBytes + BLOCK_BYTES_MAX;
  }

  /** Makes room for a block of at most `blockBytesMax`, more than which is an error. */
  startBlock(blockBytesMax: number): void {
    const neededBytes = this.#end + BLOCK_BYTES_MAX;
    if (neededBytes > this.#bytes.length) {
      if (this.#bytes.length < this.#capacityMax) {
        const roomBytes = Math.max(HISTORY_BYTES_MIN, neededBytes, this.#bytes.length * 2);
        const grown = new Uint8Array(Math.min(this.#capacityMax, roomBytes));
        grown.set(this.#bytes.subarray(0, this.#end));
        this.#bytes = grown;
      } else {
        this.#bytes.copyWithin(0, this.#end - this.#windowBytes, this.#end);
        this.#end = this.#windowBytes;
      }
    }
    this.#blockStart = this.#end;
    this.#blockEnd = this.#end + blockBytesMax;
  }

  /** What was decompressed since {@link startBlock}; valid until the next one. */
  get block(): Uint8Array {
    return this.#bytes.subarray(this.#blockStart, this.#end);
  }

  /** Adds `bytes`. @throws MigrationError STREAM_COMPRESSION */
  append(bytes: Uint8Array): void {
    this.#checkRoom(bytes.length);
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Adds `byteCount` octets of `bytes` from `from` on. @throws MigrationError as `append` */
  appendPart(bytes: Uint8Array, from: number, byteCount: number): void {
    if (byteCount > SHORT_MATCH_BYTES) {
      this.append(bytes.subarray(from, from + byteCount));
      return;
    }
    this.#checkRoom(byteCount);
    const into = this.#bytes;
    let end = this.#end;
    for (let at = from; at < from + byteCount; at++) {
      into[end++] = bytes[at]!;
    }
    this.#end = end;
  }

  /** Adds `byteCount` times `value`. @throws MigrationError as `append` */
  fill(value: number, byteCount: number): void {
    this.#checkRoom(byteCount);
    this.#bytes.fill(value, this.#end, this.#end + byteCount);
    this.#end += byteCount;
  }

  /**
   * Adds what lies `distance` back; `byteCount` may be larger, then it repeats.
   *
   * @throws MigrationError STREAM_COMPRESSION
   */
  repeat(distance: number, byteCount: number): void {
    const from = this.#end - distance;
    if (distance <= 0 || distance > this.#windowBytes || from < 0) {
      throw damaged("a match from before the window");
    }
    this.#checkRoom(byteCount);
    const bytes = this.#bytes;
    const end = this.#end;
    this.#end = end + byteCount;
    if (byteCount <= SHORT_MATCH_BYTES) {
      for (let index = 0; index < byteCount; index++) {
        bytes[end + index] = bytes[from + index]!;
      }
    } else if (distance === 1) {
      bytes.fill(bytes[from]!, end, end + byteCount);
    } else {
      // Each step doubles what repeats, so that no step overlaps itself.
      for (let done = 0; done < byteCount; ) {
        const stepBytes = Math.min(byteCount - done, distance + done);
        bytes.copyWithin(end + done, from, from + stepBytes);
        done += stepBytes;
      }
    }
  }

  #checkRoom(byteCount: number): void {
    if (this.#end + byteCount > this.#blockEnd) {
      throw damaged("a block longer than any may be");
    }
  }
}
