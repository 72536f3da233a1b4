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
   * @param pfns frame numbers, any order; at most BATCH_PAGES_MAX × 16 entries.
   * @param types one page type (0-15) for each of `pfns`.
   * @param out at least `8 + 8 + 8 * pfns.length` bytes; owned by the caller.
   * @returns bytes written. The body length in the header counts a page of data for each type
   *   that has one (NOTAB, L1TAB-L4TAB, pinned or not). The head needs no padding, nor do pages.
   */
  encodePageDataHead(pfns: Uint32Array, types: Uint8Array, out: Uint8Array): number;
  /**
   * Splits pfn words into columns.
   *
   * @param words 8 bytes a page, little-endian, any alignment.
   * @param outPfns, outTypes at least `words.length / 8` entries; owned by the caller.
   * @returns how many leading words are valid: reserved bits 59-52 clear, pfn below 2^32. Less
   *   than `words.length / 8` means that the word at that index is not.
   */
  decodePageDataHead(words: Uint8Array, outPfns: Uint32Array, outTypes: Uint8Array): number;
}
