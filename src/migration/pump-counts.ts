import type { IntakeParts } from "../report/profile.ts";
import { COUNTER, countedMs, type PumpCounters } from "../transport/pump-counters.ts";
import type { PumpCounts } from "./pump.ts";

/** What an add-on's counters say of pages that go out. */
export function countsOf(counters: PumpCounters): PumpCounts {
  const partMs = (index: number) => countedMs(counters, index);
  return {
    pagesSent: Number(counters[COUNTER.PAGES_SENT]),
    pagesAllocateOnly: Number(counters[COUNTER.PAGES_ALLOCATE_ONLY]),
    pagesDeferred: Number(counters[COUNTER.PAGES_DEFERRED]),
    pagesUnchanged: Number(counters[COUNTER.PAGES_UNCHANGED]),
    bytes: Number(counters[COUNTER.BYTES]),
    scanMs: partMs(COUNTER.SCAN_NS),
    parts: withoutZeros({
      mapMs: partMs(COUNTER.MAP_NS),
      zeroMs: partMs(COUNTER.ZERO_NS),
      copyMs: partMs(COUNTER.COPY_NS),
      checksumMs: partMs(COUNTER.CHECKSUM_NS),
      compressMs: partMs(COUNTER.COMPRESS_NS),
      writeMs: partMs(COUNTER.WRITE_NS),
      waitMs: partMs(COUNTER.WAIT_NS),
    }),
  };
}

/** What an add-on's counters say of where time went while pages came in. */
export function intakeOf(counters: PumpCounters): IntakeParts {
  const waitMs = countedMs(counters, COUNTER.WAIT_NS);
  return withoutZeros({
    waitMs,
    readMs: Math.max(0, countedMs(counters, COUNTER.READ_NS) - waitMs),
    unpackMs: countedMs(counters, COUNTER.UNPACK_NS),
    storeMs: countedMs(counters, COUNTER.STORE_NS),
  });
}

/** The parts that took any time. */
export function withoutZeros<Parts extends Readonly<Record<string, number>>>(
  parts: Parts,
): Partial<Parts> {
  const taken: Partial<Record<string, number>> = {};
  for (const name in parts) {
    if (parts[name]! > 0) {
      taken[name] = parts[name];
    }
  }
  return taken as Partial<Parts>;
}
