import { FIRST_PTR, KEY_PTR, PAGE_BYTES, SECOND_PTR } from "./arena";

const GRANULE_BYTES: usize = 16;
const DIGEST_BYTES: usize = 32;

/**
 * Writes the digest of each page of the first region to the second, by the key in its region.
 *
 * Contract: PageOperations.digestPages. Twins: src/engine/reference/digest.ts,
 * native/engine/digest.cc.
 */
export function digestPages(pageCount: u32): u32 {
  for (let page: u32 = 0; page < pageCount; page += 1) {
    digestPage(FIRST_PTR + page * PAGE_BYTES, SECOND_PTR + page * DIGEST_BYTES);
  }
  return pageCount;
}

/** Four iterations side by side, each with the key one granule further on. */
function digestPage(pagePtr: usize, outPtr: usize): void {
  let first = i64x2.splat(0);
  let second = i64x2.splat(0);
  let third = i64x2.splat(0);
  let fourth = i64x2.splat(0);
  let key0 = v128.load(KEY_PTR);
  let key1 = v128.load(KEY_PTR, 16);
  let key2 = v128.load(KEY_PTR, 32);
  for (let at: usize = 0; at < PAGE_BYTES; at += 2 * GRANULE_BYTES) {
    const even = v128.load(pagePtr + at);
    const odd = v128.load(pagePtr + at, 16);
    const key3 = v128.load(KEY_PTR + at, 48);
    const key4 = v128.load(KEY_PTR + at, 64);
    first = i64x2.add(first, products(i32x4.add(even, key0), i32x4.add(odd, key1)));
    second = i64x2.add(second, products(i32x4.add(even, key1), i32x4.add(odd, key2)));
    third = i64x2.add(third, products(i32x4.add(even, key2), i32x4.add(odd, key3)));
    fourth = i64x2.add(fourth, products(i32x4.add(even, key3), i32x4.add(odd, key4)));
    // The next block starts two granules further on.
    key0 = key2;
    key1 = key3;
    key2 = key4;
  }
  store<u64>(outPtr, sumOf(first));
  store<u64>(outPtr, sumOf(second), 8);
  store<u64>(outPtr, sumOf(third), 16);
  store<u64>(outPtr, sumOf(fourth), 24);
}

/** Products of the four words of `a` and `b`, summed in pairs. */
// @ts-ignore: decorator
@inline
function products(a: v128, b: v128): v128 {
  return i64x2.add(i64x2.extmul_low_i32x4_u(a, b), i64x2.extmul_high_i32x4_u(a, b));
}

// @ts-ignore: decorator
@inline
function sumOf(lanes: v128): u64 {
  return i64x2.extract_lane(lanes, 0) + i64x2.extract_lane(lanes, 1);
}
