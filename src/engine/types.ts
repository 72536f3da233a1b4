import type { PageDataHeadCodec } from "../base/page-head.ts";

/** The three implementations of {@link PageEngine}. */
export type EngineName = "native" | "wasm" | "reference";

/** What the loaders compare: native/engine/bindings.cc and asm/engine.ts carry the same number. */
export const ENGINE_ABI_VERSION = 2;

/** Bytes of the key of {@link PageOperations.digestPages}. */
export const DIGEST_KEY_BYTES = 4144;

/** Bytes of one digest. */
export const DIGEST_BYTES = 32;

/** Names of the page operations, in the order of the contract. */
export const PAGE_OPERATIONS = [
  "scanBitmap",
  "countBitmap",
  "orBitmap",
  "findZeroPages",
  "gatherPages",
  "scatterPages",
  "comparePages",
  "checksumPages",
  "digestPages",
  "encodePageDataHead",
  "decodePageDataHead",
] as const;

export type PageOperation = (typeof PAGE_OPERATIONS)[number];

/** Every page operation of one engine, and what it is. */
export interface PageEngine extends PageOperations {
  readonly name: EngineName;
  /** Which variant of each operation runs, for logs and results; for example "avx512". */
  readonly variants: Readonly<Record<PageOperation, string>>;
}

/**
 * Every page operation; three versions give the same bytes for the same input.
 *
 * Common to all: synchronous; writes only into caller-owned arrays; returns a count; keeps nothing
 * per page. A *window* is a view of whole pages (4096 bytes each, any alignment, at most 4 GiB,
 * which may be written by a running guest meanwhile); `pageIndexes` are page numbers within it,
 * any order, repeats allowed. Outputs, and the inputs that go with a list of pages, have room for
 * the whole list; what they have beyond it is neither read nor written. An output shares no memory
 * with another argument. All of this is checked before anything is written.
 *
 * @throws RangeError an index or a length outside its array, a bitmap or a window of a wrong
 *   length, an output that overlaps another argument; TypeError another kind of argument.
 */
export interface PageOperations extends PageDataHeadCodec {
  /**
   * Writes the numbers of set bits from bit `firstPfn` on, rising, until `outPfns` is full.
   *
   * @param bitmap bit n is bit n mod 8 of byte n / 8; length a multiple of 8, at most 2^32 bits.
   * @param firstPfn a whole number from 0; 0 pfns are written from beyond the end.
   * @returns how many were written; fewer than `outPfns.length` means the end was reached. To go
   *   on after a full `outPfns`, scan again from the last pfn + 1.
   */
  scanBitmap(bitmap: Uint8Array, firstPfn: number, outPfns: Uint32Array): number;
  /** Counts set bits; `bitmap` as in {@link PageOperations.scanBitmap}. */
  countBitmap(bitmap: Uint8Array): number;
  /** Sets in `into` every bit set in `from` (same length); returns the set bits of `into` now. */
  orBitmap(into: Uint8Array, from: Uint8Array): number;

  /** Sets `outIsZero[i]` to 1 where page `pageIndexes[i]` is all zero, else 0; returns the ones. */
  findZeroPages(window: Uint8Array, pageIndexes: Uint32Array, outIsZero: Uint8Array): number;
  /** Copies page `pageIndexes[i]` of `window` to page i of `outPages`; returns the pages copied. */
  gatherPages(window: Uint8Array, pageIndexes: Uint32Array, outPages: Uint8Array): number;
  /**
   * Copies page i of `pages` to page `pageIndexes[i]` of `window`, in order of i; returns pages.
   */
  scatterPages(pages: Uint8Array, pageIndexes: Uint32Array, window: Uint8Array): number;
  /** Sets `outDiffers[i]` to 1 where that window page differs from page i of `pages`, else 0. */
  comparePages(
    window: Uint8Array,
    pageIndexes: Uint32Array,
    pages: Uint8Array,
    outDiffers: Uint8Array,
  ): number;
  /**
   * Writes CRC32C (Castagnoli: reflected 0x82f63b78, initial and final XOR all ones) of each page.
   *
   * @returns pages checksummed.
   */
  checksumPages(window: Uint8Array, pageIndexes: Uint32Array, outCrcs: Uint32Array): number;
  /**
   * Writes a keyed digest of each page: two different pages have one digest with a probability of
   * at most 2^-128 over keys chosen at random, which whoever writes the pages must not know.
   *
   * A digest is four hashes of 64 bits, little-endian. Hash i is NH of the page, its words m[n] of
   * 32 bits little-endian, by the key's words k[n + 4 i] (a Toeplitz key): the sum, modulo 2^64,
   * of (m[n] + k[n + 4 i]) * (m[n + 4] + k[n + 4 + 4 i]) over the first four n of each eight, the
   * sums in brackets modulo 2^32. The length of the message, ever the same, is not added.
   *
   * @param key {@link DIGEST_KEY_BYTES} bytes.
   * @param outDigests {@link DIGEST_BYTES} bytes a page.
   * @returns pages digested.
   * @source RFC 4418, 5.2.2 "NH Algorithm" (its pairing of words), 5.1 (its Toeplitz key)
   */
  digestPages(
    window: Uint8Array,
    pageIndexes: Uint32Array,
    key: Uint8Array,
    outDigests: Uint8Array,
  ): number;
}
