/** Bytes in a page; every format this project reads has 4 KiB pages. */
export const PAGE_BYTES = 4096;

/** log2 of {@link PAGE_BYTES}. */
export const PAGE_SHIFT = 12;

/** Most pages in one PAGE_DATA that we write. @source MAX_BATCH_SIZE, xg_save_restore.h */
export const BATCH_PAGES_MAX = 1024;

/** One past the highest pfn handled: pfns travel in `Uint32Array`s (16 TiB of guest). */
export const PFN_COUNT_MAX = 2 ** 32;

/** `DataView` argument: wire fields are little-endian unless a header says otherwise. */
export const LITTLE_ENDIAN = true;

/** Pseudophysical frame number: index into the guest's linear idea of RAM. */
export type Pfn = number & { readonly __brand?: "Pfn" };

/** Rounds `value` up to a multiple of `step`; exact up to 2^53. */
export function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

/**
 * Bytes of a dirty bitmap for `pfnCount` frames.
 *
 * One bit a pfn, bit n is bit n mod 8 of byte n / 8; rounded up to whole 64-bit words.
 */
export function bitmapBytes(pfnCount: number): number {
  return roundUp(Math.ceil(pfnCount / 8), 8);
}
