// The synthetic guest's machine code: pages and vCPUs of the embedded guests' workload, on a
// shared memory that the host laid out. Contract and twins: src/guest/workload.ts (the oracle),
// native/guest/workload.cc. Pointers are offsets in the shared memory; module variables belong to
// one instance, that is to one vCPU or to the host.

export const ABI_VERSION: u32 = 1;

const PAGE_BYTES: usize = 4096;
const PAGE_SHIFT: usize = 12;
const HEAD_BYTES: usize = 24;
const SIMD_BYTES: usize = 16;
const BAD_PFNS_MAX: u32 = 16;

const GOLDEN: u64 = 0x9e3779b97f4a7c15;
const MULTIPLIER_1: u64 = 0xbf58476d1ce4e5b9;
const MULTIPLIER_2: u64 = 0x94d049bb133111eb;

const FILL_ZERO: u32 = 0;
const FILL_TEXT: u32 = 2;
const FILL_HALF_ZERO: u32 = 3;
const PATTERN_SEQUENTIAL: u32 = 0;
const PATTERN_UNIFORM: u32 = 1;

// Offsets of a vCPU's state, in the order in which it travels.
const STORES: usize = 0;
const READS: usize = 8;
const FAULTS: usize = 16;
const PRNG: usize = 24;
const CURSOR: usize = 32;
const VERSIONS: usize = 40;

// Offsets of a check's result.
const PAGES_BAD: usize = 0;
const VERSIONS_SUM: usize = 8;
const BAD_PFNS: usize = 16;

// The sixteen words of a text fill, eight Latin-1 characters each, first character lowest.
const TEXT: StaticArray<u64> = [
  0x206574617267696d, 0x6567617020656874, 0x65687420646e6120, 0x2079726f6d656d20,
  0x747365756720666f, 0x676e696e6e757220, 0x74736f68206e6f20, 0x20656c6968772073,
  0x2065746172657469, 0x61202c7974726964, 0x206e65687420646e, 0x2e646e6570737573,
  0x20656d757365520a, 0x20676e6968746f6e, 0x74736f6c20736177, 0x656d6974206e6920,
];

let seed: u64 = 0;
let fill: u32 = 0;
let ramPtr: usize = 0;

let vcpuFirstPfn: u32 = 0;
let vcpuStride: u32 = 0;
let vcpuPages: u32 = 0;
let pattern: u32 = 0;
let readThreshold: u32 = 0;
let logOfPages: f64 = 0;
let statePtr: usize = 0;
let stopPtr: usize = 0;
let loggingPtr: usize = 0;
let dirtyPtr: usize = 0;

// Says what decides content, and where RAM starts.
export function configure(seedOfAll: u64, fillOfAll: u32, ramStartPtr: usize): void {
  seed = seedOfAll;
  fill = fillOfAll;
  ramPtr = ramStartPtr;
}

// Says which pages the vCPU of this instance works on: page j is firstPfn + j * stride.
export function configurePages(
  firstPfn: u32,
  stride: u32,
  pageCount: u32,
  patternOfVcpu: u32,
  threshold: u32,
): void {
  vcpuFirstPfn = firstPfn;
  vcpuStride = stride;
  vcpuPages = pageCount;
  pattern = patternOfVcpu;
  readThreshold = threshold;
  logOfPages = Math.log(<f64>pageCount + 1);
}

// Says where the vCPU's state, the stop and log-dirty flags (32 bits) and the dirty bitmap are.
export function configureState(
  stateOfVcpuPtr: usize,
  stopFlagPtr: usize,
  loggingFlagPtr: usize,
  dirtyBitmapPtr: usize,
): void {
  statePtr = stateOfVcpuPtr;
  stopPtr = stopFlagPtr;
  loggingPtr = loggingFlagPtr;
  dirtyPtr = dirtyBitmapPtr;
}

// Writes the content of `pageCount` pages that were never stored to.
export function fillPages(firstPfn: u32, pageCount: u32): void {
  for (let index: u32 = 0; index < pageCount; ++index) writePage(firstPfn + index, 0);
}

// Does operations of this instance's vCPU until `countMax` are done or the stop flag is set.
// Returns how many were done.
export function runOperations(countMax: u32): u32 {
  let done: u32 = 0;
  while (done < countMax && atomic.load<u32>(stopPtr) == 0) {
    runOperation();
    ++done;
  }
  return done;
}

// Checks pages; writes how many are bad, the sum of their versions' terms and the first bad pfns.
export function checkPages(firstPfn: u32, pageCount: u32, resultPtr: usize): void {
  let badCount: u32 = 0;
  let sum: u64 = 0;
  for (let index: u32 = 0; index < pageCount; ++index) {
    const pfn = firstPfn + index;
    sum += versionTerm(pfn, load<u64>(pagePtr(pfn), 8));
    if (isPageGood(pfn)) continue;
    if (badCount < BAD_PFNS_MAX) store<u32>(resultPtr + BAD_PFNS + ((<usize>badCount) << 2), pfn);
    ++badCount;
  }
  store<u64>(resultPtr, badCount, PAGES_BAD);
  store<u64>(resultPtr, sum, VERSIONS_SUM);
}

// Sets the bit of each page of RAM that is not all zeros, in a zeroed bitmap. Returns how many.
export function findPopulated(pageCount: u32, bitmapPtr: usize): u32 {
  let found: u32 = 0;
  for (let pfn: u32 = 0; pfn < pageCount; ++pfn) {
    if (isZeroPage(pagePtr(pfn))) continue;
    const bytePtr = bitmapPtr + (<usize>pfn >> 3);
    store<u8>(bytePtr, load<u8>(bytePtr) | (<u8>1 << <u8>(pfn & 7)));
    ++found;
  }
  return found;
}

// Writes the content of page `pfn` at `version`.
export function writePage(pfn: u32, version: u64): void {
  const ptr = pagePtr(pfn);
  if (version == 0 && startsAsZero(pfn)) {
    memory.fill(ptr, 0, PAGE_BYTES);
    return;
  }
  const key = pageKey(pfn, version);
  const isRandom = version != 0 || fill != FILL_TEXT;
  let sum: u64 = key;
  let step: u64 = key + 3 * GOLDEN;
  for (let offset: usize = HEAD_BYTES; offset < PAGE_BYTES; offset += 8) {
    const word = bodyWord(step, isRandom);
    store<u64>(ptr + offset, word);
    sum += word;
    step += GOLDEN;
  }
  store<u64>(ptr, pfn);
  store<u64>(ptr, version, 8);
  store<u64>(ptr, mix(sum), 16);
}

function isPageGood(pfn: u32): bool {
  const ptr = pagePtr(pfn);
  const version = load<u64>(ptr, 8);
  if (version == 0 && startsAsZero(pfn)) return isZeroPage(ptr);
  if (load<u64>(ptr) != <u64>pfn) return false;
  const key = pageKey(pfn, version);
  const isRandom = version != 0 || fill != FILL_TEXT;
  let sum: u64 = key;
  let step: u64 = key + 3 * GOLDEN;
  for (let offset: usize = HEAD_BYTES; offset < PAGE_BYTES; offset += 8) {
    const word = bodyWord(step, isRandom);
    if (load<u64>(ptr + offset) != word) return false;
    sum += word;
    step += GOLDEN;
  }
  return load<u64>(ptr, 16) == mix(sum);
}

// Pages of a half-zero fill are random, then zero, 16 at a time.
function startsAsZero(pfn: u32): bool {
  return fill == FILL_ZERO || (fill == FILL_HALF_ZERO && (pfn & 16) != 0);
}

function isZeroPage(ptr: usize): bool {
  for (let offset: usize = 0; offset < PAGE_BYTES; offset += 4 * SIMD_BYTES) {
    const first = v128.or(v128.load(ptr + offset), v128.load(ptr + offset, SIMD_BYTES));
    const second = v128.or(
      v128.load(ptr + offset, 2 * SIMD_BYTES),
      v128.load(ptr + offset, 3 * SIMD_BYTES),
    );
    if (v128.any_true(v128.or(first, second))) return false;
  }
  return true;
}

function runOperation(): void {
  const isRead = <u32>(nextRandom() & 0xffff) < readThreshold;
  const pfn = vcpuFirstPfn + drawIndex() * vcpuStride;
  if (isRead) {
    if (!isPageGood(pfn)) bump(FAULTS);
    bump(READS);
    return;
  }
  const version = load<u64>(pagePtr(pfn), 8);
  writePage(pfn, version + 1);
  // After the store is complete: a clean bit never hides a page that is still being written.
  markDirty(pfn);
  const change = versionTerm(pfn, version + 1) - versionTerm(pfn, version);
  store<u64>(statePtr, load<u64>(statePtr, VERSIONS) + change, VERSIONS);
  bump(STORES);
}

function drawIndex(): u32 {
  if (pattern == PATTERN_SEQUENTIAL) {
    const index = load<u64>(statePtr, CURSOR);
    store<u64>(statePtr, (index + 1) % vcpuPages, CURSOR);
    return <u32>index;
  }
  const random = nextRandom();
  if (pattern == PATTERN_UNIFORM) {
    // The high 64 bits of a 64 by 32 bit product.
    const low = ((random & 0xffffffff) * vcpuPages) >> 32;
    return <u32>(((random >> 32) * vcpuPages + low) >> 32);
  }
  const fraction = <f64>(random >> 11) * (1.0 / 9007199254740992.0);
  const rank = <u32>Math.exp(fraction * logOfPages);
  return min(vcpuPages - 1, max(rank, 1) - 1);
}

function markDirty(pfn: u32): void {
  if (atomic.load<u32>(loggingPtr) == 0) return;
  atomic.or<u32>(dirtyPtr + ((<usize>pfn >> 5) << 2), <u32>1 << (pfn & 31));
}

// Counters are written by one vCPU alone and read by the host at any time.
function bump(offset: usize): void {
  atomic.store<u64>(statePtr + offset, load<u64>(statePtr + offset) + 1);
}

function nextRandom(): u64 {
  const prng = load<u64>(statePtr, PRNG) + GOLDEN;
  store<u64>(statePtr, prng, PRNG);
  return mix(prng);
}

function versionTerm(pfn: u32, version: u64): u64 {
  return version == 0 ? 0 : mix(pageKey(pfn, version) ^ MULTIPLIER_2);
}

function pageKey(pfn: u32, version: u64): u64 {
  return mix(seed ^ mix(<u64>pfn * GOLDEN + version));
}

@inline
function bodyWord(step: u64, isRandom: bool): u64 {
  let word = (step ^ (step >> 32)) * MULTIPLIER_1;
  word ^= word >> 29;
  return isRandom ? word : unchecked(TEXT[<i32>(word >> 60)]);
}

@inline
function mix(value: u64): u64 {
  let x = value;
  x = (x ^ (x >> 30)) * MULTIPLIER_1;
  x = (x ^ (x >> 27)) * MULTIPLIER_2;
  return x ^ (x >> 31);
}

@inline
function pagePtr(pfn: u32): usize {
  return ramPtr + ((<usize>pfn) << PAGE_SHIFT);
}
