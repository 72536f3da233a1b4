import { FIRST_PTR, SECOND_PTR } from "./arena";

const WORD_BITS: usize = 64;
const WORD_BYTES: usize = 8;
const BLOCK_BYTES: usize = 64;

/**
 * Scans the bitmap in the first region from its bit `firstBit` on; pfns go to the second region.
 *
 * `basePfn` is the pfn of the region's bit 0. The caller takes care that the output fits: the
 * bitmap has at most as many bits as the second region has words.
 *
 * Contract: PageOperations.scanBitmap. Twins: src/engine/reference/bitmap.ts,
 * native/engine/bitmap.cc.
 */
export function scanBitmap(bitmapBytes: u32, firstBit: u32, basePfn: u32, outCountMax: u32): u32 {
  const endPtr = FIRST_PTR + bitmapBytes;
  const outEndPtr = SECOND_PTR + outCountMax * sizeof<u32>();
  let wordPtr = FIRST_PTR + (<usize>firstBit / WORD_BITS) * WORD_BYTES;
  if (wordPtr >= endPtr) return 0;
  const skipped = load<u64>(wordPtr) & ((<u64>-1) << (firstBit % <u32>WORD_BITS));
  let outPtr = scanWord(skipped, basePfn + bitOf(wordPtr), SECOND_PTR, outEndPtr);
  wordPtr += WORD_BYTES;
  while (wordPtr < endPtr && outPtr < outEndPtr) {
    while (wordPtr + BLOCK_BYTES <= endPtr && !v128.any_true(orOfBlock(wordPtr))) {
      wordPtr += BLOCK_BYTES;
    }
    if (wordPtr >= endPtr) break;
    const blockEndPtr = min(wordPtr + BLOCK_BYTES, endPtr);
    for (; wordPtr < blockEndPtr; wordPtr += WORD_BYTES) {
      outPtr = scanWord(load<u64>(wordPtr), basePfn + bitOf(wordPtr), outPtr, outEndPtr);
    }
  }
  return <u32>((outPtr - SECOND_PTR) / sizeof<u32>());
}

/** Counts the set bits in the first region. */
export function countBitmap(bitmapBytes: u32): u32 {
  return countRegion(bitmapBytes);
}

/** Sets in the first region every bit set in the second; returns the set bits of the first. */
export function orBitmap(bitmapBytes: u32): u32 {
  for (let at: usize = 0; at < bitmapBytes; at += WORD_BYTES) {
    const word = load<u64>(FIRST_PTR + at) | load<u64>(SECOND_PTR + at);
    store<u64>(FIRST_PTR + at, word);
  }
  return countRegion(bitmapBytes);
}

// @ts-ignore: decorator
@inline
function bitOf(wordPtr: usize): u32 {
  return <u32>(wordPtr - FIRST_PTR) * 8;
}

// @ts-ignore: decorator
@inline
function scanWord(word: u64, basePfn: u32, outPtr: usize, outEndPtr: usize): usize {
  let rest = word;
  while (rest != 0 && outPtr < outEndPtr) {
    store<u32>(outPtr, basePfn + <u32>ctz(rest));
    outPtr += sizeof<u32>();
    rest &= rest - 1;
  }
  return outPtr;
}

// @ts-ignore: decorator
@inline
function orOfBlock(blockPtr: usize): v128 {
  const low = v128.or(v128.load(blockPtr), v128.load(blockPtr, 16));
  const high = v128.or(v128.load(blockPtr, 32), v128.load(blockPtr, 48));
  return v128.or(low, high);
}

/** Bytes are counted by lanes; the pairwise sums of 16 bytes go to four 32-bit counters. */
function countRegion(bitmapBytes: u32): u32 {
  const vectorsEnd: usize = bitmapBytes & ~15;
  let counters = i32x4.splat(0);
  for (let at: usize = 0; at < vectorsEnd; at += 16) {
    const perByte = i8x16.popcnt(v128.load(FIRST_PTR + at));
    const perPair = i16x8.extadd_pairwise_i8x16_u(perByte);
    counters = i32x4.add(counters, i32x4.extadd_pairwise_i16x8_u(perPair));
  }
  let setBits: u32 =
    i32x4.extract_lane(counters, 0) +
    i32x4.extract_lane(counters, 1) +
    i32x4.extract_lane(counters, 2) +
    i32x4.extract_lane(counters, 3);
  for (let at = vectorsEnd; at < bitmapBytes; at += WORD_BYTES) {
    setBits += <u32>popcnt(load<u64>(FIRST_PTR + at));
  }
  return setBits;
}
