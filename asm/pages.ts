import { FIRST_PTR, FLAGS_PTR, PAGE_BYTES, SECOND_PTR } from "./arena";

const BLOCK_BYTES: usize = 64;

/**
 * Writes one flag a page of the first region; returns the zero pages.
 *
 * Contract: PageOperations.findZeroPages. Twins: src/engine/reference/pages.ts,
 * native/engine/pages.cc.
 */
export function findZeroPages(pageCount: u32): u32 {
  let zeroPages: u32 = 0;
  for (let page: u32 = 0; page < pageCount; page += 1) {
    const isZero = isZeroPage(FIRST_PTR + page * PAGE_BYTES);
    store<u8>(FLAGS_PTR + page, <u8>isZero);
    zeroPages += <u32>isZero;
  }
  return zeroPages;
}

/**
 * Writes one flag a page that differs between the two regions; returns the pages that differ.
 *
 * Contract: PageOperations.comparePages. Twins: src/engine/reference/pages.ts,
 * native/engine/pages.cc.
 */
export function comparePages(pageCount: u32): u32 {
  let differingPages: u32 = 0;
  for (let page: u32 = 0; page < pageCount; page += 1) {
    const pageAt = page * PAGE_BYTES;
    const differs = pageDiffers(FIRST_PTR + pageAt, SECOND_PTR + pageAt);
    store<u8>(FLAGS_PTR + page, <u8>differs);
    differingPages += <u32>differs;
  }
  return differingPages;
}

function isZeroPage(pagePtr: usize): bool {
  const endPtr = pagePtr + PAGE_BYTES;
  for (let ptr = pagePtr; ptr < endPtr; ptr += BLOCK_BYTES) {
    const low = v128.or(v128.load(ptr), v128.load(ptr, 16));
    const high = v128.or(v128.load(ptr, 32), v128.load(ptr, 48));
    if (v128.any_true(v128.or(low, high))) return false;
  }
  return true;
}

function pageDiffers(pagePtr: usize, otherPtr: usize): bool {
  for (let at: usize = 0; at < PAGE_BYTES; at += BLOCK_BYTES) {
    const low = v128.or(
      difference(pagePtr + at, otherPtr + at, 0),
      difference(pagePtr + at, otherPtr + at, 16),
    );
    const high = v128.or(
      difference(pagePtr + at, otherPtr + at, 32),
      difference(pagePtr + at, otherPtr + at, 48),
    );
    if (v128.any_true(v128.or(low, high))) return true;
  }
  return false;
}

// @ts-ignore: decorator
@inline
function difference(ptr: usize, otherPtr: usize, at: usize): v128 {
  return v128.xor(v128.load(ptr + at), v128.load(otherPtr + at));
}
