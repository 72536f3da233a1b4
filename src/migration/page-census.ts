import { bitmapBytes, PAGE_BYTES } from "../base/units.ts";
import type { PageEngine } from "../engine/types.ts";
import type { GuestSource } from "../guest/types.ts";

/** How many of a guest's pages the first iteration sends with their data, and how many it names. */
export interface PageCensus {
  readonly dataPages: number;
  readonly emptyPages: number;
}

/** Pages that are looked at for zeros. */
const SAMPLE_PAGES = 2048;

/**
 * Counts pages that hold something: exactly those with memory, and of these by a sample, evenly
 * spread, those that are not zero.
 *
 * @throws MigrationError GUEST_*
 */
export async function countPages(
  { memory }: Pick<GuestSource, "memory">,
  engine: PageEngine,
): Promise<PageCensus> {
  const { pfnCount } = memory;
  const bitmap = new Uint8Array(bitmapBytes(pfnCount));
  await memory.populated(bitmap);
  const populated = engine.countBitmap(bitmap);
  const step = Math.max(1, Math.floor(populated / SAMPLE_PAGES));
  const pfns: number[] = [];
  let seen = 0;
  for (let pfn = 0; pfn < pfnCount; pfn++) {
    if ((bitmap[pfn >>> 3]! >> (pfn & 7)) & 1 && seen++ % step === 0) {
      pfns.push(pfn);
    }
  }
  const zeroShare = pfns.length === 0 ? 0 : (await zeroPages(memory, engine, pfns)) / pfns.length;
  const dataPages = Math.round(populated * (1 - zeroShare));
  return { dataPages, emptyPages: pfnCount - dataPages };
}

async function zeroPages(
  memory: GuestSource["memory"],
  engine: PageEngine,
  pfns: readonly number[],
): Promise<number> {
  const pages = new Uint8Array(pfns.length * PAGE_BYTES);
  await memory.gather(Uint32Array.from(pfns), pages);
  return engine.findZeroPages(pages, Uint32Array.from(pfns.keys()), new Uint8Array(pfns.length));
}
