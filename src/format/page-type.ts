/**
 * Page types of PAGE_DATA's pfn words (bits 63-60), by the spec's names.
 *
 * @source libxc-migration-stream.pandoc, "PAGE_DATA"; XEN_DOMCTL_PFINFO_* in domctl.h
 */
export const PAGE_TYPE = {
  NOTAB: 0x0,
  L1TAB: 0x1,
  L2TAB: 0x2,
  L3TAB: 0x3,
  L4TAB: 0x4,
  L1TAB_PIN: 0x9,
  L2TAB_PIN: 0xa,
  L3TAB_PIN: 0xb,
  L4TAB_PIN: 0xc,
  BROKEN: 0xd,
  XALLOC: 0xe,
  XTAB: 0xf,
} as const;

/** Whether the four bits `pageType` name a page type. */
export function isKnownPageType(pageType: number): boolean {
  return pageType <= 0x4 || (pageType >= 0x9 && pageType <= 0xf);
}

/**
 * Whether the receiver must give such a pfn memory. @source xg_sr_common.h page_type_to_populate
 */
export function isPopulatedPageType(pageType: number): boolean {
  return pageType !== PAGE_TYPE.BROKEN && pageType !== PAGE_TYPE.XTAB;
}

/**
 * Whether a page of data follows in the record. @source xg_sr_common.h page_type_has_stream_data
 */
export function hasStreamData(pageType: number): boolean {
  return pageType < PAGE_TYPE.BROKEN;
}

/** Whether a page is a page table of a PV guest, pinned or not. */
export function isPageTable(pageType: number): boolean {
  return hasStreamData(pageType) && pageType !== PAGE_TYPE.NOTAB;
}

/** What each of the sixteen page types says. */
const NAMES: readonly (string | undefined)[] = Array.from(
  { length: 16 },
  (_, pageType) => Object.entries(PAGE_TYPE).find(([, value]) => value === pageType)?.[0],
);

/** Spec name of a page type; `undefined` for reserved ones. */
export function pageTypeName(pageType: number): keyof typeof PAGE_TYPE | undefined {
  return NAMES[pageType] as keyof typeof PAGE_TYPE | undefined;
}
