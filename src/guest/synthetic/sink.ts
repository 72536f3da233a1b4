import { MigrationError } from "../../base/errors.ts";
import { BATCH_PAGES_MAX, PAGE_BYTES } from "../../base/units.ts";
import type { OpenSink } from "../embedded.ts";
import type { GuestHandle } from "../handle.ts";

/** The restoring side's view of a synthetic guest. */
export function openSyntheticSink(handle: GuestHandle, pfnCount: number): OpenSink {
  return {
    memory: {
      pfnCount,
      scatter: async (pfns, pages) => {
        const outside = pfns.find((pfn) => pfn >= pfnCount);
        if (outside !== undefined) {
          throw new MigrationError("GUEST_PFN_RANGE", { pfn: outside, pfnCount });
        }
        for (let first = 0; first < pfns.length; first += BATCH_PAGES_MAX) {
          const batch = pfns.subarray(first, first + BATCH_PAGES_MAX);
          const start = first * PAGE_BYTES;
          const content = pages.subarray(start, start + batch.length * PAGE_BYTES);
          const payload = Buffer.concat([octetsOf(batch), content]);
          await handle.request("write-pages", { count: batch.length }, { payload });
        }
      },
    },
    close: () => undefined,
  };
}

/** The pfns as they go over the socket: both ends are on one machine. */
export function octetsOf(pfns: Uint32Array): Uint8Array {
  return new Uint8Array(pfns.buffer, pfns.byteOffset, pfns.byteLength);
}
