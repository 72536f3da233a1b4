/** Bytes of each data region: 64 pages, or 65536 words of 32 bits. */
export const REGION_BYTES: u32 = 256 * 1024;

/** Bytes of a page. */
export const PAGE_BYTES: u32 = 4096;

/** Input that is also changed in place; pages of the window, bitmaps, pfn words. */
export const FIRST_PTR: usize = memory.data(REGION_BYTES, 64);

/** Second input, or output wider than flags; with room for what a store writes too many. */
export const SECOND_PTR: usize = memory.data(REGION_BYTES + 32, 64);

/** Page types in and out, one byte an entry, and flags out. */
export const FLAGS_PTR: usize = memory.data(REGION_BYTES / 4, 64);

/** Bytes of the key of digestPages: a page, and a granule for each iteration but the first. */
export const KEY_BYTES: u32 = 4144;

/** The key of digestPages. */
export const KEY_PTR: usize = memory.data(KEY_BYTES, 64);
