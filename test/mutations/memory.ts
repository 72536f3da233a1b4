import { join, octetsIn } from "../support/bytes.ts";
import { type Draft, type Page, type Place, pagesOf, record, XC, xc } from "./draft.ts";
import { ALL, type Mutation, PV64, PVH } from "./mutation.ts";

const { u32, u64 } = octetsIn("little");
const FIRST = xc(XC.PAGE_DATA);
const RESERVED_TYPES = [5, 6, 7, 8] as const;

/** The first PAGE_DATA's pages with data. */
function dataPages(draft: Draft, place: Place = FIRST): readonly Page[] {
  return pagesOf(draft.read(place)).filter(({ offset }) => offset !== undefined);
}

/** Gives the first page with data of the first PAGE_DATA another word. */
function reword(draft: Draft, change: (word: bigint) => bigint): void {
  const { index } = dataPages(draft)[0]!;
  draft.words(FIRST, (words) => {
    words[index] = change(words[index]!);
  });
}

/** A PAGE_DATA of frames without data. */
function frames(type: number, firstPfn: number, count: number) {
  const word = (_: unknown, index: number) => (BigInt(type) << 60n) | BigInt(firstPfn + index);
  return record(
    "libxc",
    XC.PAGE_DATA,
    join(u32(count, 0), u64(...Array.from({ length: count }, word))),
  );
}

/** A PAGE_DATA with one page out of the first one, changed or not. */
function onePage(draft: Draft, change: (page: Uint8Array) => void = () => {}) {
  const body = draft.read(FIRST);
  const pages = dataPages(draft);
  const { pfn, type, offset = 0 } = pages.find((page) => page.type === 0) ?? pages[0]!;
  const page = body.slice(offset, offset + 4096);
  change(page);
  const word = (BigInt(type) << 60n) | BigInt(pfn);
  return record("libxc", XC.PAGE_DATA, join(u32(1, 0), u64(word), page));
}

/** Mutations of PAGE_DATA. */
export const MEMORY_MUTATIONS: readonly Mutation[] = [
  ...RESERVED_TYPES.map(
    (type): Mutation => ({
      name: `page-type-${type}`,
      on: type === 5 ? ALL : PVH,
      edit: (draft) =>
        reword(draft, (word) => (BigInt(type) << 60n) | (word & 0xf_ffff_ffff_ffffn)),
      tells: ["refused PAGE_DATA_TYPE"],
    }),
  ),
  {
    name: "page-data-names-no-page",
    on: PVH,
    edit: (draft) => draft.before(FIRST, record("libxc", XC.PAGE_DATA, u32(0, 0))),
    tells: ["refused PAGE_DATA_COUNT"],
  },
  {
    name: "page-data-empty",
    on: PVH,
    edit: (draft) => draft.before(FIRST, record("libxc", XC.PAGE_DATA)),
    tells: ["refused PAGE_DATA_LENGTH"],
  },
  {
    name: "page-data-half-head",
    on: PVH,
    edit: (draft) => draft.before(FIRST, record("libxc", XC.PAGE_DATA, u32(1))),
    tells: ["refused PAGE_DATA_LENGTH"],
  },
  {
    name: "page-count-one-more",
    on: ALL,
    edit: (draft) => {
      const count = draft.view(FIRST).getUint32(0, true);
      draft.patch(FIRST, 0, u32(count + 1));
    },
    tells: ["refused PAGE_DATA_LENGTH"],
  },
  {
    name: "page-count-one-less",
    on: PVH,
    edit: (draft) => {
      const count = draft.view(FIRST).getUint32(0, true);
      draft.patch(FIRST, 0, u32(count - 1));
    },
    tells: ["refused PAGE_DATA_LENGTH"],
  },
  {
    name: "page-count-huge",
    on: PVH,
    edit: (draft) => draft.patch(FIRST, 0, u32(0xffff_ffff)),
    tells: ["refused PAGE_DATA_LENGTH"],
  },
  {
    name: "page-missing",
    on: ALL,
    edit: (draft) => draft.write(FIRST, draft.read(FIRST).subarray(0, -4096)),
    tells: ["refused PAGE_DATA_LENGTH"],
  },
  {
    name: "page-too-many",
    on: PVH,
    edit: (draft) => draft.write(FIRST, join(draft.read(FIRST), new Uint8Array(4096))),
    tells: ["refused PAGE_DATA_LENGTH"],
  },
  {
    name: "page-octet-too-many",
    on: PVH,
    edit: (draft) => draft.write(FIRST, join(draft.read(FIRST), new Uint8Array(1))),
    tells: ["refused PAGE_DATA_LENGTH"],
  },
  {
    name: "page-data-reserved-field",
    on: ALL,
    edit: (draft) => draft.patch(FIRST, 4, u32(1)),
    tells: ["violated RECORD_RESERVED"],
  },
  {
    name: "pfn-reserved-bits",
    on: ALL,
    edit: (draft) => reword(draft, (word) => word | (1n << 52n)),
    tells: ["violated PAGE_DATA_RESERVED"],
  },
  {
    name: "pfn-reserved-bits-all",
    on: PVH,
    edit: (draft) => reword(draft, (word) => word | (0xffn << 52n)),
    tells: ["violated PAGE_DATA_RESERVED"],
  },
  {
    name: "pfn-beyond-16-tib",
    on: ALL,
    edit: (draft) => reword(draft, (word) => word | (1n << 40n)),
    tells: ["refused PAGE_DATA_PFN"],
  },
  {
    name: "pfn-beyond-addresses",
    on: PVH,
    edit: (draft) => draft.before(xc(XC.TSC_INFO), frames(14, 0xf000_0000, 1)),
    tells: ["suspicious GUEST_PFN_RANGE"],
  },
  {
    name: "pfn-beyond-p2m",
    on: PV64,
    edit: (draft) => {
      const lastPfn = draft.view(xc(XC.P2M_FRAMES)).getUint32(4, true);
      draft.before(xc(XC.TSC_INFO), frames(15, lastPfn + 1, 1));
    },
    tells: ["refused GUEST_PFN_RANGE"],
  },
  {
    name: "more-memory-than-configured",
    on: PVH,
    edit: (draft) => draft.before(xc(XC.TSC_INFO), frames(14, 0x4_0000, 16384)),
    tells: ["refused PAGE_DATA_MEMORY"],
  },
  {
    name: "pfn-twice-in-a-record",
    on: ALL,
    edit: (draft) => {
      const body = draft.read(FIRST);
      const [one, other] = dataPages(draft).filter(({ type }) => type === 0);
      body.set(body.slice(8 + one!.index * 8, 16 + one!.index * 8), 8 + other!.index * 8);
      draft.write(FIRST, body);
    },
    tells: ["suspicious PAGE_DATA_REPEATED"],
  },
  {
    name: "pfn-twice-in-a-record-with-two-types",
    on: PVH,
    edit: (draft) => {
      const pfn = dataPages(draft)[0]!.pfn;
      const words = u64((15n << 60n) | BigInt(pfn), (14n << 60n) | BigInt(pfn));
      draft.after(FIRST, record("libxc", XC.PAGE_DATA, join(u32(2, 0), words)));
    },
    tells: ["suspicious PAGE_DATA_REPEATED"],
  },
  {
    name: "invalid-frames-only",
    on: PVH,
    edit: (draft) => draft.before(FIRST, frames(15, 0, 16)),
    tells: [],
  },
  {
    name: "page-broken",
    on: PVH,
    edit: (draft) => draft.before(FIRST, frames(13, 0, 1)),
    tells: [],
  },
  {
    name: "page-allocated-before",
    on: ALL,
    edit: (draft) => draft.before(FIRST, frames(14, dataPages(draft)[0]!.pfn, 1)),
    tells: [],
  },
  {
    name: "page-table-in-hvm",
    on: PVH,
    edit: (draft) => reword(draft, (word) => word | (1n << 60n)),
    tells: ["suspicious PAGE_DATA_TABLE"],
  },
  {
    name: "page-sent-again",
    on: ALL,
    edit: (draft) => draft.before(xc(XC.TSC_INFO), onePage(draft)),
    tells: [],
  },
  {
    name: "one-page-data-left-out",
    on: PVH,
    edit: (draft) => draft.drop(FIRST),
    tells: [],
  },
  {
    name: "no-memory",
    on: PVH,
    edit: (draft) => draft.dropAll({ layer: "libxc", type: XC.PAGE_DATA }),
    tells: ["suspicious ORDER_MISSING"],
    differs: "restore has done its part when xl gives up waiting for the guest's console",
  },
  {
    name: "no-memory-pv",
    on: PV64,
    edit: (draft) => draft.dropAll({ layer: "libxc", type: XC.PAGE_DATA }),
    tells: [
      "violated ORDER_DEPENDENCY",
      "violated ORDER_DEPENDENCY",
      "violated ORDER_DEPENDENCY",
      "suspicious ORDER_MISSING",
      "refused RECORD_FRAME",
    ],
  },
  {
    name: "verified-page-same",
    on: ALL,
    edit: (draft) => draft.before(xc(XC.TSC_INFO), record("libxc", XC.VERIFY), onePage(draft)),
    tells: [],
  },
  {
    name: "verified-page-other",
    on: ALL,
    edit: (draft) => {
      const other = onePage(draft, (page) => {
        page[100] = page[100]! ^ 0xff;
      });
      draft.before(xc(XC.TSC_INFO), record("libxc", XC.VERIFY), other);
    },
    tells: ["suspicious PAGE_DATA_VERIFY"],
    tellsIndexed: [],
  },
  {
    name: "verify-before-memory",
    on: ALL,
    edit: (draft) => draft.before(FIRST, record("libxc", XC.VERIFY)),
    tells: [
      "violated ORDER_DEPENDENCY",
      "suspicious PAGE_DATA_VERIFY_NEW",
      "suspicious PAGE_DATA_VERIFY",
    ],
    tellsIndexed: ["violated ORDER_DEPENDENCY", "suspicious PAGE_DATA_VERIFY_NEW"],
  },
];
