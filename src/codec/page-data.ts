import { assert } from "../base/assert.ts";
import { MigrationError } from "../base/errors.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import { BATCH_PAGES_MAX, LITTLE_ENDIAN, PAGE_BYTES } from "../base/units.ts";
import {
  LIBXC_RECORD,
  PAGE_DATA_HEAD_BYTES,
  PFN_WORD_BYTES,
  RECORD_HEADER_BYTES,
} from "../format/libxc.ts";
import { hasStreamData, isKnownPageType } from "../format/page-type.ts";
import type { PageDataEvent, RecordEvent } from "./events.ts";
import { type ByteOrder, viewOf } from "./steps.ts";

/** Most pages that one call of {@link PageDataHeadCodec} takes. */
const CALL_PAGES_MAX = BATCH_PAGES_MAX * 16;

/** Octets before the pfn words of an encoded head: record header, count and reserved field. */
const ENCODED_HEAD_BYTES = RECORD_HEADER_BYTES + PAGE_DATA_HEAD_BYTES;

/** Bit n: page type n exists. Bit n: a page of type n is followed by data. */
const KNOWN_TYPES = Uint8Array.from({ length: 16 }, (_, type) => (isKnownPageType(type) ? 1 : 0));
const DATA_TYPES = Uint8Array.from({ length: 16 }, (_, type) => (hasStreamData(type) ? 1 : 0));

/** Where a PAGE_DATA is, and how long its body is. */
export interface PageDataPlace {
  readonly offset: number;
  readonly layer?: string;
  readonly byteOrder: ByteOrder;
  readonly bodyBytes: number;
}

/** What stands before the pages of a PAGE_DATA; fields as of {@link PageDataEvent}. */
export type PageDataHead = Pick<
  PageDataEvent,
  "offset" | "pfns" | "types" | "pagesOffset" | "reserved" | "reservedWordIndex"
>;

/**
 * Octets of a PAGE_DATA's body before its pages.
 *
 * @param start the first eight octets of the body, or all of it where it is shorter.
 * @throws MigrationError PAGE_DATA_LENGTH, PAGE_DATA_COUNT
 */
export function pageDataHeadBytes(place: PageDataPlace, start: Uint8Array): number {
  const { bodyBytes, byteOrder } = place;
  if (bodyBytes < PAGE_DATA_HEAD_BYTES) {
    throw failure(place, "PAGE_DATA_LENGTH", { bodyBytes });
  }
  const pageCount = viewOf(start).getUint32(0, byteOrder === "little");
  if (pageCount === 0) {
    throw failure(place, "PAGE_DATA_COUNT");
  }
  const headBytes = PAGE_DATA_HEAD_BYTES + pageCount * PFN_WORD_BYTES;
  if (headBytes > bodyBytes) {
    throw failure(place, "PAGE_DATA_LENGTH", { bodyBytes, pageCount });
  }
  return headBytes;
}

/** Splits PAGE_DATA bodies into columns that it reuses from one record to the next. */
export class PageDataDecoder {
  readonly #codec: PageDataHeadCodec;
  #pfns = new Uint32Array(BATCH_PAGES_MAX);
  #types = new Uint8Array(BATCH_PAGES_MAX);

  constructor(codec: PageDataHeadCodec) {
    this.#codec = codec;
  }

  /**
   * Decodes one record.
   *
   * Reserved bits of pfn words are ignored, as a receiver must, and reported in the event.
   *
   * @throws MigrationError PAGE_DATA_LENGTH, PAGE_DATA_COUNT, PAGE_DATA_TYPE, PAGE_DATA_PFN
   * @source libxc-migration-stream.pandoc, "PAGE_DATA"; xg_sr_restore.c handle_page_data
   */
  decode(record: RecordEvent): PageDataEvent {
    const { body, byteOrder } = record;
    const place = { ...record, bodyBytes: body.length };
    const headBytes = pageDataHeadBytes(place, body);
    return {
      kind: "page-data",
      layer: "libxc",
      byteOrder,
      bodyBytes: body.length,
      ...this.decodeHead(place, body.subarray(0, headBytes)),
      pages: body.subarray(headBytes),
      body,
    };
  }

  /**
   * Decodes what stands before the pages.
   *
   * @param head as many octets of the body as {@link pageDataHeadBytes} says.
   * @throws MigrationError PAGE_DATA_LENGTH, PAGE_DATA_TYPE, PAGE_DATA_PFN
   */
  decodeHead(place: PageDataPlace, head: Uint8Array): PageDataHead {
    const { offset, bodyBytes, byteOrder } = place;
    const pageCount = (head.length - PAGE_DATA_HEAD_BYTES) / PFN_WORD_BYTES;
    this.#reserve(pageCount);
    const words = head.subarray(PAGE_DATA_HEAD_BYTES);
    const reservedWordIndex = this.#decodeWords(place, words);
    const types = this.#types.subarray(0, pageCount);
    const dataPages = countDataPages(place, types);
    if (bodyBytes !== head.length + dataPages * PAGE_BYTES) {
      throw failure(place, "PAGE_DATA_LENGTH", { bodyBytes, pageCount, dataPages });
    }
    return {
      offset,
      pfns: this.#pfns.subarray(0, pageCount),
      types,
      pagesOffset: offset + RECORD_HEADER_BYTES + head.length,
      reserved: viewOf(head).getUint32(4, byteOrder === "little"),
      reservedWordIndex,
    };
  }

  /** The caller has checked that so many pfn words did arrive. */
  #reserve(pageCount: number): void {
    if (this.#pfns.length < pageCount) {
      this.#pfns = new Uint32Array(pageCount);
      this.#types = new Uint8Array(pageCount);
    }
  }

  /** Fills the columns; returns the index of the first word with reserved bits. */
  #decodeWords(place: PageDataPlace, words: Uint8Array): number | undefined {
    const pageCount = words.length / PFN_WORD_BYTES;
    let source = place.byteOrder === "little" ? words : swappedWords(words);
    let reservedWordIndex: number | undefined;
    let done = 0;
    while (done < pageCount) {
      const end = Math.min(pageCount, done + CALL_PAGES_MAX);
      done += this.#codec.decodePageDataHead(
        source.subarray(done * PFN_WORD_BYTES, end * PFN_WORD_BYTES),
        this.#pfns.subarray(done, end),
        this.#types.subarray(done, end),
      );
      if (done < end) {
        checkPfn(place, source, done);
        assert(reservedWordIndex === undefined, "a head codec refuses a sound pfn word");
        reservedWordIndex = done;
        source = withoutReservedBits(source);
      }
    }
    return reservedWordIndex;
  }
}

/** Columns of a PAGE_DATA to write; entry i of `types` belongs to entry i of `pfns`. */
export interface PageDataColumns {
  readonly pfns: Uint32Array;
  readonly types: Uint8Array;
  /** Little unless said otherwise. */
  readonly byteOrder?: ByteOrder;
}

/** Encodes heads of PAGE_DATA records into memory that it reuses. */
export class PageDataEncoder {
  readonly #codec: PageDataHeadCodec;
  #out = new Uint8Array(ENCODED_HEAD_BYTES + BATCH_PAGES_MAX * PFN_WORD_BYTES);

  constructor(codec: PageDataHeadCodec) {
    this.#codec = codec;
  }

  /**
   * Encodes record header, count and pfn words; the pages follow without padding.
   *
   * @returns a view valid until the next call.
   */
  encodeHead(columns: PageDataColumns): Uint8Array {
    const { pfns, types } = columns;
    const headBytes = ENCODED_HEAD_BYTES + pfns.length * PFN_WORD_BYTES;
    if (this.#out.length < headBytes) {
      this.#out = new Uint8Array(headBytes);
    }
    const out = this.#out.subarray(0, headBytes);
    if (pfns.length <= CALL_PAGES_MAX) {
      this.#codec.encodePageDataHead(pfns, types, out);
    } else {
      this.#encodeInCalls(pfns, types, out);
    }
    if (columns.byteOrder === "big") {
      bufferOf(out.subarray(0, ENCODED_HEAD_BYTES)).swap32();
      bufferOf(out.subarray(ENCODED_HEAD_BYTES)).swap64();
    }
    return out;
  }

  /**
   * More pages than one call takes. Each call writes its own header in front of its words, over
   * the end of the words before it, which are put back.
   */
  #encodeInCalls(pfns: Uint32Array, types: Uint8Array, out: Uint8Array): void {
    let bodyBytes = PAGE_DATA_HEAD_BYTES;
    for (let first = 0; first < pfns.length; first += CALL_PAGES_MAX) {
      const end = Math.min(pfns.length, first + CALL_PAGES_MAX);
      const part = out.subarray(first * PFN_WORD_BYTES, ENCODED_HEAD_BYTES + end * PFN_WORD_BYTES);
      const covered = part.slice(0, ENCODED_HEAD_BYTES);
      this.#codec.encodePageDataHead(pfns.subarray(first, end), types.subarray(first, end), part);
      bodyBytes += viewOf(part).getUint32(4, LITTLE_ENDIAN) - PAGE_DATA_HEAD_BYTES;
      part.set(covered);
    }
    const view = viewOf(out);
    view.setUint32(0, LIBXC_RECORD.PAGE_DATA, LITTLE_ENDIAN);
    view.setUint32(4, bodyBytes, LITTLE_ENDIAN);
    view.setUint32(8, pfns.length, LITTLE_ENDIAN);
    view.setUint32(12, 0, LITTLE_ENDIAN);
  }
}

function countDataPages(place: PageDataPlace, types: Uint8Array): number {
  let dataPages = 0;
  for (let index = 0; index < types.length; index++) {
    const pageType = types[index]!;
    if (KNOWN_TYPES[pageType] === 0) {
      throw failure(place, "PAGE_DATA_TYPE", { pageType, index });
    }
    dataPages += DATA_TYPES[pageType]!;
  }
  return dataPages;
}

/** The head codec stopped at word `index`: reserved bits can be dropped, a high pfn cannot. */
function checkPfn(place: PageDataPlace, words: Uint8Array, index: number): void {
  const high = viewOf(words).getUint32(index * PFN_WORD_BYTES + 4, LITTLE_ENDIAN);
  if ((high & 0x000f_ffff) !== 0) {
    const low = viewOf(words).getUint32(index * PFN_WORD_BYTES, LITTLE_ENDIAN);
    const pfn = (BigInt(high & 0x000f_ffff) << 32n) | BigInt(low);
    throw failure(place, "PAGE_DATA_PFN", { pfn, index });
  }
}

/** A copy of pfn words with bits 59-52 cleared. */
function withoutReservedBits(words: Uint8Array): Uint8Array {
  const cleared = words.slice();
  for (let at = 6; at < cleared.length; at += PFN_WORD_BYTES) {
    cleared[at] = cleared[at]! & 0x0f;
    cleared[at + 1] = cleared[at + 1]! & 0xf0;
  }
  return cleared;
}

function swappedWords(words: Uint8Array): Uint8Array {
  const swapped = words.slice();
  bufferOf(swapped).swap64();
  return swapped;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function failure(
  { offset, layer }: PageDataPlace,
  code: "PAGE_DATA_LENGTH" | "PAGE_DATA_COUNT" | "PAGE_DATA_TYPE" | "PAGE_DATA_PFN",
  facts: Readonly<Record<string, number | bigint>> = {},
): MigrationError {
  return new MigrationError(code, { offset, layer, record: "PAGE_DATA", ...facts });
}
