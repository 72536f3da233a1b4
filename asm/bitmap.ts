import { FIRST_PTR, REGION_BYTES, SECOND_PTR } from "./arena";

const WORD_BITS: usize = 64;
const WORD_BYTES: usize = 8;
const VECTOR_BYTES: usize = 16;
const HALF_BITS: u32 = 32;
const HALF_BYTES: usize = 4;
const PFN_BYTES: usize = 4;
const BLOCK_BYTES: usize = 64;
const BLOCK_HALVES: u32 = 16;

/** Up to so many set bits of a word are taken one by one, in steps of eight; more by the table. */
const SINGLE_BITS: u32 = 16;
const STEP_BITS: u32 = 8;

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
 * are listed without branches first, then the list is gone through. Where most half words are in
 * use, all words are gone through instead.
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
  const isSparse = <u32>((listEndPtr - LIST_PTR) / 2) < halfCount - halfCount / 4;
  const outEndPtr = SECOND_PTR + <usize>outCountMax * PFN_BYTES;
  const outPtr = isSparse
    ? storeListed(listEndPtr, basePfn, outEndPtr)
    : storeWords(firstBlockAt, bitmapBytes, basePfn, outEndPtr);
  return min(<u32>((outPtr - SECOND_PTR) / PFN_BYTES), outCountMax);
}

/** Counts the set bits in the first region. */
export function countBitmap(bitmapBytes: u32): u32 {
  const vectorsEnd: usize = bitmapBytes & ~15;
  let counters = i32x4.splat(0);
  for (let at: usize = 0; at < vectorsEnd; at += VECTOR_BYTES) {
    counters = i32x4.add(counters, countVector(v128.load(FIRST_PTR + at)));
  }
  let setBits = sumOf(counters);
  for (let at = vectorsEnd; at < bitmapBytes; at += WORD_BYTES) {
    setBits += <u32>popcnt(load<u64>(FIRST_PTR + at));
  }
  return setBits;
}

/** Sets in the first region every bit set in the second; returns the set bits of the first. */
export function orBitmap(bitmapBytes: u32): u32 {
  const vectorsEnd: usize = bitmapBytes & ~15;
  let counters = i32x4.splat(0);
  for (let at: usize = 0; at < vectorsEnd; at += VECTOR_BYTES) {
    const both = v128.or(v128.load(FIRST_PTR + at), v128.load(SECOND_PTR + at));
    v128.store(FIRST_PTR + at, both);
    counters = i32x4.add(counters, countVector(both));
  }
  let setBits = sumOf(counters);
  for (let at = vectorsEnd; at < bitmapBytes; at += WORD_BYTES) {
    const both = load<u64>(FIRST_PTR + at) | load<u64>(SECOND_PTR + at);
    store<u64>(FIRST_PTR + at, both);
    setBits += <u32>popcnt(both);
  }
  return setBits;
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

/** Writes the pfns of the half words listed; returns where they end. */
function storeListed(listEndPtr: usize, basePfn: u32, outEndPtr: usize): usize {
  let outPtr = SECOND_PTR;
  for (let ptr = LIST_PTR; ptr < listEndPtr && outPtr < outEndPtr; ptr += 2) {
    const index = <u32>load<u16>(ptr);
    const half = <u64>load<u32>(FIRST_PTR + <usize>index * HALF_BYTES);
    const halfPfn = basePfn + index * HALF_BITS;
    let rest = storeFour(half, halfPfn, outPtr);
    for (let restPtr = outPtr + 4 * PFN_BYTES; rest != 0; restPtr += PFN_BYTES) {
      store<u32>(restPtr, halfPfn + <u32>ctz(rest));
      rest &= rest - 1;
    }
    outPtr += <usize>popcnt(half) * PFN_BYTES;
  }
  return outPtr;
}

/** Writes the pfns of all words from byte `firstAt` on; returns where they end. */
function storeWords(firstAt: usize, bitmapBytes: usize, basePfn: u32, outEndPtr: usize): usize {
  let outPtr = SECOND_PTR;
  for (let at = firstAt; at < bitmapBytes && outPtr < outEndPtr; at += WORD_BYTES) {
    const word = load<u64>(FIRST_PTR + at);
    const wordPfn = basePfn + (<u32>at << 3);
    const setBits = <u32>popcnt(word);
    if (setBits <= SINGLE_BITS) {
      storeUpToSixteen(word, setBits, wordPfn, outPtr);
    } else {
      const middlePtr = storeByTable(<u32>word, wordPfn, outPtr);
      storeByTable(<u32>(word >>> HALF_BITS), wordPfn + HALF_BITS, middlePtr);
    }
    outPtr += <usize>setBits * PFN_BYTES;
  }
  return outPtr;
}

/** Writes eight or sixteen entries, those that are pfns first: one branch, not one a bit. */
// @ts-ignore: decorator
@inline
function storeUpToSixteen(word: u64, setBits: u32, basePfn: u32, outPtr: usize): void {
  let rest = storeFour(word, basePfn, outPtr);
  rest = storeFour(rest, basePfn, outPtr + 4 * PFN_BYTES);
  if (setBits > STEP_BITS) {
    rest = storeFour(rest, basePfn, outPtr + 8 * PFN_BYTES);
    storeFour(rest, basePfn, outPtr + 12 * PFN_BYTES);
  }
}

/** Writes the pfns of the first four set bits, or entries too many; returns the bits left. */
// @ts-ignore: decorator
@inline
function storeFour(bits: u64, basePfn: u32, outPtr: usize): u64 {
  let rest = bits;
  store<u32>(outPtr, basePfn + <u32>ctz(rest));
  rest &= rest - 1;
  store<u32>(outPtr, basePfn + <u32>ctz(rest), 4);
  rest &= rest - 1;
  store<u32>(outPtr, basePfn + <u32>ctz(rest), 8);
  rest &= rest - 1;
  store<u32>(outPtr, basePfn + <u32>ctz(rest), 12);
  return rest & (rest - 1);
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
    ptr += <usize>popcnt(rest & 0xff) * PFN_BYTES;
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

/** Set bits by bytes; the pairwise sums of sixteen go to four lanes of 32 bits. */
// @ts-ignore: decorator
@inline
function countVector(vector: v128): v128 {
  return i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(i8x16.popcnt(vector)));
}

function sumOf(lanes: v128): u32 {
  return (
    i32x4.extract_lane(lanes, 0) +
    i32x4.extract_lane(lanes, 1) +
    i32x4.extract_lane(lanes, 2) +
    i32x4.extract_lane(lanes, 3)
  );
}
