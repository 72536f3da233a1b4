/** Entries of the add-ons' counters. Twin: native/pump/counters.h. */
export const COUNTER = {
  PAGES_SENT: 0,
  PAGES_ALLOCATE_ONLY: 1,
  PAGES_UNCHANGED: 2,
  BYTES: 3,
  SCAN_NS: 4,
  PAGES_DEFERRED: 5,
  MAP_NS: 6,
  ZERO_NS: 7,
  COPY_NS: 8,
  CHECKSUM_NS: 9,
  COMPRESS_NS: 10,
  WRITE_NS: 11,
  WAIT_NS: 12,
  PAGES_TAKEN: 13,
  READ_NS: 14,
  UNPACK_NS: 15,
  STORE_NS: 16,
} as const;

/** Words that threads of an add-on add to; any moment is a good one to read them. */
export type PumpCounters = BigUint64Array;

/** Counters that stand at 0. */
export function makeCounters(): PumpCounters {
  return new BigUint64Array(Object.keys(COUNTER).length);
}

/** A counter of nanoseconds, in milliseconds. */
export function countedMs(counters: PumpCounters, index: number): number {
  return Number(counters[index]) / 1e6;
}
