import { bitmapBytes, PAGE_BYTES, roundUp } from "../../base/units.ts";

/**
 * Where things are in a synthetic guest's memory: the machine code's tables, three flags, a block a
 * vCPU, two bitmaps, RAM. Offsets in octets from the start of the WebAssembly memory.
 */
export interface GuestLayout {
  readonly pfnCount: number;
  readonly vcpus: number;
  /** 32 bits; not zero asks the vCPUs to stop. */
  readonly stopOffset: number;
  /** 32 bits; not zero while stores are marked in the dirty bitmap. */
  readonly loggingOffset: number;
  /** 32 bits; percent of its time that a vCPU is to rest. */
  readonly throttleOffset: number;
  readonly dirtyOffset: number;
  /** Bitmap for the host's own use. */
  readonly scratchOffset: number;
  readonly bitmapBytes: number;
  readonly ramOffset: number;
  /** All of it, whole WebAssembly pages. */
  readonly totalBytes: number;
}

/** Most octets of a WebAssembly memory with 32-bit pointers. */
export const WASM_BYTES_MAX = 2 ** 32;

/** Octets of a WebAssembly page. */
export const WASM_PAGE_BYTES = 65536;

/** Words of a vCPU's state, in the order in which the machine code keeps them. */
export const STATE_WORDS = ["stores", "reads", "faults", "prng", "cursor", "versions"] as const;

/** Most bad pfns that a check notes. */
export const BAD_PFNS_MAX = 16;

/** What the module's own tables need at most; the machine code's test holds it to this. */
export const TABLES_BYTES_MAX = 65536;

/** Apart so that a vCPU's counters and the flags never share a cache line. */
const FLAG_BYTES = 128;
const FLAG_COUNT = 3;
const VCPU_BYTES = 256;
const RESULT_OFFSET = 128;

/** The layout for a guest of `pfnCount` pages; it may be larger than {@link WASM_BYTES_MAX}. */
export function guestLayout(pfnCount: number, vcpus: number): GuestLayout {
  const stopOffset = TABLES_BYTES_MAX;
  const loggingOffset = stopOffset + FLAG_BYTES;
  const throttleOffset = loggingOffset + FLAG_BYTES;
  const dirtyOffset = vcpuOffset(vcpus);
  const scratchOffset = dirtyOffset + bitmapBytes(pfnCount);
  const ramOffset = roundUp(scratchOffset + bitmapBytes(pfnCount), PAGE_BYTES);
  return {
    pfnCount,
    vcpus,
    stopOffset,
    loggingOffset,
    throttleOffset,
    dirtyOffset,
    scratchOffset,
    bitmapBytes: bitmapBytes(pfnCount),
    ramOffset,
    totalBytes: roundUp(ramOffset + pfnCount * PAGE_BYTES, WASM_PAGE_BYTES),
  };
}

/** Where the state of vCPU `vcpu` is: {@link STATE_WORDS}, 64 bits each. */
export function vcpuOffset(vcpu: number): number {
  return TABLES_BYTES_MAX + FLAG_COUNT * FLAG_BYTES + vcpu * VCPU_BYTES;
}

/**
 * Where vCPU `vcpu` leaves a check's result: bad pages and the sum of versions, 64 bits each, then
 * the first {@link BAD_PFNS_MAX} bad pfns, 32 bits each.
 */
export function resultOffset(vcpu: number): number {
  return vcpuOffset(vcpu) + RESULT_OFFSET;
}
