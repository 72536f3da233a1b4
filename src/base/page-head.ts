import { BATCH_PAGES_MAX } from "./units.ts";

/** Most entries {@link PageDataHeadCodec} encodes into one record: 64 MiB of pages. */
export const HEAD_PAGES_MAX = 16 * BATCH_PAGES_MAX;

/** Octets before the pfn words: record header (type, body length), count, reserved. */
export const PAGE_DATA_HEAD_BYTES = 16;

/** Octets of one pfn word. */
export const PFN_WORD_BYTES = 8;

/** REC_TYPE_PAGE_DATA. @source libxc-migration-stream.pandoc, "Records" */
export const PAGE_DATA_RECORD_TYPE = 1;

/**
 * Encoding of the head of a PAGE_DATA record: what every engine offers and the codec uses.
 *
 * A pfn word is 64 bits, little-endian: page type in bits 63-60, zero in 59-52, pfn in 51-0.
 *
 * @source libxc-migration-stream.pandoc, "PAGE_DATA"
 */
export interface PageDataHeadCodec {
  /**
   * Writes a record header (type, body length), the count, and one pfn word a page.
   *
   * @param pfns frame numbers, any order; at most {@link HEAD_PAGES_MAX} entries.
   * @param types one page type (0-15) for each of `pfns`; what it holds beyond is not read.
   * @param out at least `8 + 8 + 8 * pfns.length` bytes; owned by the caller.
   * @returns bytes written. The body length in the header counts a page of data for each type
   *   below BROKEN (0xd), as Xen does. The head needs no padding, nor do pages.
   * @throws RangeError too many pfns, an array too short, a type above 15, outputs that overlap
   *   an input; TypeError another kind of argument. Nothing has been written then.
   */
  encodePageDataHead(pfns: Uint32Array, types: Uint8Array, out: Uint8Array): number;
  /**
   * Splits pfn words into columns.
   *
   * @param words 8 bytes a page, little-endian, any alignment.
   * @param outPfns at least `words.length / 8` entries; owned by the caller.
   * @param outTypes likewise; any of the sixteen types is passed on, known or not.
   * @returns how many leading words are valid: reserved bits 59-52 clear, pfn below 2^32. Less
   *   than `words.length / 8` means that the word at that index is not. Entries from there on are
   *   left as they were.
   * @throws RangeError, TypeError as for the encoder.
   */
  decodePageDataHead(words: Uint8Array, outPfns: Uint32Array, outTypes: Uint8Array): number;
}
