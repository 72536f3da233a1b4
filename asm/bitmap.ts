import { FIRST_PTR, REGION_BYTES, SECOND_PTR } from "./arena";

const WORD_BITS: usize = 64;
const WORD_BYTES: usize = 8;
const HALF_BITS: u32 = 32;
const HALF_BYTES: usize = 4;
const BLOCK_BYTES: usize = 64;
const BLOCK_HALVES: u32 = 16;

/** Up to so many set bits are listed without a branch, unless a bitmap is dense. */
const FEW_BITS: u32 = 4;

/** Row n: the numbers of the bits set in byte n, rising; eight bytes, those left over are 0. */
const POSITIONS_PTR: usize = memory.data(256 * 8, 64);
/** Numbers of half words in use: of the longest bitmap, and what a store writes too many. */
const LIST_PTR: usize = memory.data((REGION_BYTES / 32 / 4 + 8) * 2, 64);

fillPositions();

/**
 * Scans the bitmap in the first region from its bit `firstBit` on; pfns go to the second region.
 *
 * `basePfn` is the pfn of the region's bit 0. The caller takes care that the output fits: the
 * bitmap has at most as many bits as the second region has words. Changes the first region.
 *
 * What sparse bitmaps cost is the branch mispredicted at each word in use. So half words in use
 * are listed without branches first, then the list is gone through.
 *
 * Contract: PageOperations.scanBitmap. Twins: src/engine/reference/bitmap.ts,
 * native/engine/bitmap.cc.
 */
export function scanBitmap(bitmapBytes: u32, firstBit: u32, basePfn: u32, outCountMax: u32): u32 {
  const wordAt = (<usize>firstBit / WORD_BITS) * WORD_BYTES;
  if (wordAt >= bitmapBytes) return 0;
  const firstWord = load<u64>(FIRST_PTR + wordAt) & ((<u64>-1) << (firstBit % <u32>WORD_BITS));
  store<u64>(FIRST_PTR + wordAt, firstWord);
  const firstBlockAt = wordAt & ~(BLOCK_BYTES - 1);
  memory.fill(FIRST_PTR + firstBlockAt, 0, wordAt - firstBlockAt);
  memory.fill(FIRST_PTR + bitmapBytes, 0, (0 - <usize>bitmapBytes) & (BLOCK_BYTES - 1));
  const listEndPtr = listHalves(firstBlockAt, bitmapBytes);
  const halfCount = (bitmapBytes - <u32>firstBlockAt) / <u32>HALF_BYTES;
  const isDense = <u32>((listEndPtr - LIST_PTR) / 2) > halfCount - halfCount / 8;
  const outEndPtr = SECOND_PTR + outCountMax * sizeof<u32>();
  let outPtr = SECOND_PTR;
  for (let ptr = LIST_PTR; ptr < listEndPtr && outPtr < outEndPtr; ptr += 2) {
    const index = <u32>load<u16>(ptr);
    const half = load<u32>(FIRST_PTR + index * HALF_BYTES);
    const halfPfn = basePfn + index * HALF_BITS;
    outPtr = isDense ? storeByTable(half, halfPfn, outPtr) : storeBits(half, halfPfn, outPtr);
  }
  return min(<u32>((outPtr - SECOND_PTR) / sizeof<u32>()), outCountMax);
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

/** Lists half words in use by their numbers; returns where the list ends. */
function listHalves(blockAt: usize, bitmapBytes: usize): usize {
  let listPtr = LIST_PTR;
  for (let at = blockAt; at < bitmapBytes; at += BLOCK_BYTES) {
    const inUse = halvesInUse(FIRST_PTR + at);
    const index = <u32>(at / HALF_BYTES);
    listPtr = storeIndexes(inUse & 0xff, index, listPtr);
    listPtr = storeIndexes(inUse >>> 8, index + BLOCK_HALVES / 2, listPtr);
  }
  return listPtr;
}

/** Bit n: half word n of the block has anything set. */
// @ts-ignore: decorator
@inline
function halvesInUse(blockPtr: usize): u32 {
  const zero = i32x4.splat(0);
  const low = i16x8.narrow_i32x4_s(
    i32x4.eq(v128.load(blockPtr), zero),
    i32x4.eq(v128.load(blockPtr, 16), zero),
  );
  const high = i16x8.narrow_i32x4_s(
    i32x4.eq(v128.load(blockPtr, 32), zero),
    i32x4.eq(v128.load(blockPtr, 48), zero),
  );
  return <u32>i8x16.bitmask(i8x16.narrow_i16x8_s(low, high)) ^ 0xffff;
}

// @ts-ignore: decorator
@inline
function storeIndexes(inUse: u32, index: u32, listPtr: usize): usize {
  const positions = v128.load8x8_u(POSITIONS_PTR + (inUse << 3));
  v128.store(listPtr, i16x8.add(positions, i16x8.splat(<i16>index)));
  return listPtr + (<usize>popcnt(inUse) << 1);
}

/** Writes the pfns of all set bits, and entries too many where there are less than four. */
// @ts-ignore: decorator
@inline
function storeBits(half: u32, basePfn: u32, outPtr: usize): usize {
  let rest = half;
  store<u32>(outPtr, basePfn + ctz(rest));
  rest &= rest - 1;
  store<u32>(outPtr, basePfn + ctz(rest), 4);
  rest &= rest - 1;
  store<u32>(outPtr, basePfn + ctz(rest), 8);
  rest &= rest - 1;
  store<u32>(outPtr, basePfn + ctz(rest), 12);
  rest &= rest - 1;
  for (let ptr = outPtr + FEW_BITS * sizeof<u32>(); rest != 0; ptr += sizeof<u32>()) {
    store<u32>(ptr, basePfn + ctz(rest));
    rest &= rest - 1;
  }
  return outPtr + popcnt(half) * sizeof<u32>();
}

/** Writes the pfns of all set bits, and up to eight entries too many. */
// @ts-ignore: decorator
@inline
function storeByTable(half: u32, basePfn: u32, outPtr: usize): usize {
  let ptr = outPtr;
  let base = i32x4.splat(basePfn);
  for (let rest = half, byte: u32 = 0; byte < sizeof<u32>(); byte += 1) {
    const positions = v128.load8x8_u(POSITIONS_PTR + ((rest & 0xff) << 3));
    v128.store(ptr, i32x4.add(base, i32x4.extend_low_i16x8_u(positions)));
    v128.store(ptr, i32x4.add(base, i32x4.extend_high_i16x8_u(positions)), 16);
    ptr += popcnt(rest & 0xff) * sizeof<u32>();
    base = i32x4.add(base, i32x4.splat(8));
    rest >>>= 8;
  }
  return ptr;
}

function fillPositions(): void {
  for (let byte: u32 = 0; byte < 256; byte += 1) {
    let ptr = POSITIONS_PTR + (byte << 3);
    for (let rest = byte; rest != 0; rest &= rest - 1) {
      store<u8>(ptr, <u8>ctz(rest));
      ptr += 1;
    }
  }
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
