import type { PageDataHead } from "../codec/page-data.ts";
import { isPageTable, isPopulatedPageType } from "../format/page-type.ts";
import type { Tell } from "./verify-clauses.ts";
import type { IncomingGuest } from "./verify-guest.ts";

/**
 * Checks what stands before the pages of a PAGE_DATA, and takes down what it makes of the guest.
 *
 * @source xg_sr_restore.c handle_page_data, populate_pfns
 */
export function checkPageHead(head: PageDataHead, guest: IncomingGuest, tell: Tell): void {
  if (head.reserved !== 0) {
    tell("RECORD_RESERVED", "violated", { reserved: head.reserved });
  }
  if (head.reservedWordIndex !== undefined) {
    tell("PAGE_DATA_RESERVED", "violated", { index: head.reservedWordIndex });
  }
  checkRepeated(head, tell);
  checkRange(head, guest, tell);
  if (!guest.isPv) {
    checkTables(head, tell);
  }
  populate(head, guest, tell);
}

/** A frame that comes twice is stored twice, the last page staying. */
function checkRepeated({ pfns }: PageDataHead, tell: Tell): void {
  const pfn = repeatedPfn(pfns);
  if (pfn !== undefined) {
    tell("PAGE_DATA_REPEATED", "suspicious", { pfn, index: pfns.lastIndexOf(pfn) });
  }
}

function repeatedPfn(pfns: Uint32Array): number | undefined {
  let isRising = true;
  for (let index = 1; index < pfns.length && isRising; index++) {
    isRising = pfns[index]! > pfns[index - 1]!;
  }
  if (isRising) {
    return undefined;
  }
  const sorted = pfns.slice().sort();
  return sorted.find((pfn, index) => pfn === sorted[index + 1]);
}

/** An HVM guest can have frames it cannot address. @source xg_sr_restore_x86_pv.c pfn_is_valid */
function checkRange({ pfns, types }: PageDataHead, guest: IncomingGuest, tell: Tell): void {
  const { pfnMax, isPv } = guest;
  if (pfnMax === undefined) {
    return;
  }
  const counts = (at: number) => isPv || isPopulatedPageType(types[at]!);
  const index = pfns.findIndex((pfn, at) => pfn > pfnMax && counts(at));
  if (index !== -1) {
    const facts = { pfn: pfns[index], index, pfnMax };
    tell("GUEST_PFN_RANGE", isPv ? "refused" : "suspicious", facts);
  }
}

/** Only PV guests have page tables that Xen knows of; restore makes ordinary pages of them. */
function checkTables({ types }: PageDataHead, tell: Tell): void {
  const index = types.findIndex(isPageTable);
  if (index !== -1) {
    tell("PAGE_DATA_TABLE", "suspicious", { pageType: types[index], index });
  }
}

function populate({ pfns, types }: PageDataHead, guest: IncomingGuest, tell: Tell): void {
  const { frames, framesMax, isVerifying } = guest;
  const populatedBefore = frames.populatedCount;
  const wasScattered = frames.isScattered;
  let newPfn: number | undefined;
  for (let index = 0; index < pfns.length; index++) {
    if (frames.set(pfns[index]!, types[index]!)) {
      newPfn ??= pfns[index];
    }
  }
  if (isVerifying && newPfn !== undefined) {
    tell("PAGE_DATA_VERIFY_NEW", "suspicious", { pfn: newPfn });
  }
  if (
    framesMax !== undefined &&
    populatedBefore <= framesMax &&
    frames.populatedCount > framesMax
  ) {
    tell("PAGE_DATA_MEMORY", "refused", { framesMax });
  }
  if (frames.isScattered && !wasScattered) {
    tell("PAGE_DATA_SCATTERED", "suspicious");
  }
}
