import { join, octetsIn } from "../support/bytes.ts";
import { type Draft, type Place, pagesOf, XC, xc } from "./draft.ts";
import { type Kind, type Mutation, PV, PV64 } from "./mutation.ts";

const { u32, u64 } = octetsIn("little");
const P2M = xc(XC.P2M_FRAMES);
const BASIC = xc(XC.VCPU_BASIC);
const FAR = 0x0fff_ffff;

/** Where fields are in X86_PV_VCPU_BASIC's body, and in the start info's page. */
const AT = {
  pv64: { edx: 624, gdtFrames: 4840, gdtCount: 4968, cr3: 5016, storePfn: 56, consolePfn: 72 },
  pv32: { edx: 532, gdtFrames: 2648, gdtCount: 2712, cr3: 2736, storePfn: 44, consolePfn: 52 },
} as const;

function at(kind: Kind) {
  return kind === "pv32" ? AT.pv32 : AT.pv64;
}

/** A number of the guest's width. */
function word(kind: Kind, value: number): Uint8Array {
  return kind === "pv32" ? u32(value) : u64(value);
}

/** Finds the record and the place in it of the page that a frame has at the end. */
function findPage(
  draft: Draft,
  pfn: number,
): { readonly place: Place; readonly offset: number; readonly index: number } {
  for (let which = 0; draft.has(xc(XC.PAGE_DATA)); which++) {
    const place = xc(XC.PAGE_DATA, which);
    const found = pagesOf(draft.read(place)).find((page) => page.pfn === pfn);
    if (found?.offset !== undefined) {
      return { place, offset: found.offset, index: found.index };
    }
  }
  throw new Error(`there is no page of frame ${pfn}`);
}

function startInfo(draft: Draft, kind: Kind): number {
  return draft.view(BASIC).getUint32(at(kind).edx, true);
}

/** The frame of the top page table, as CR3 names it. */
function topTable(draft: Draft, kind: Kind): number {
  const cr3 = draft.view(BASIC).getUint32(at(kind).cr3, true);
  return cr3 >>> 12;
}

/** Gives a frame another type; the page's data stays. */
function retypePage(draft: Draft, pfn: number, type: number): void {
  const { place, index } = findPage(draft, pfn);
  draft.words(place, (words) => {
    words[index] = (BigInt(type) << 60n) | BigInt(pfn);
  });
}

/** Takes a page's data out and says that the frame has none. */
function emptyPage(draft: Draft, pfn: number): void {
  const { place, offset, index } = findPage(draft, pfn);
  const body = draft.read(place);
  draft.write(place, join(body.subarray(0, offset), body.subarray(offset + 4096)));
  draft.patch(place, 8 + index * 8, u64((15n << 60n) | BigInt(pfn)));
}

/** Mutations of the frames that a PV guest's registers and tables name. */
export const PV_FRAME_MUTATIONS: readonly Mutation[] = [
  {
    name: "p2m-frame-out-of-range",
    on: PV,
    edit: (draft) => draft.patch(P2M, 8, u64(FAR)),
    tells: ["refused RECORD_FRAME"],
  },
  {
    name: "p2m-frame-is-page-table",
    on: PV,
    edit: (draft, kind) => draft.patch(P2M, 8, u64(topTable(draft, kind))),
    tells: ["refused RECORD_FRAME"],
  },
  {
    name: "p2m-frame-without-memory",
    on: PV64,
    edit: (draft) => emptyPage(draft, draft.view(P2M).getUint32(8, true)),
    tells: ["refused RECORD_FRAME"],
  },
  {
    name: "start-info-out-of-range",
    on: PV,
    edit: (draft, kind) => draft.patch(BASIC, at(kind).edx, word(kind, FAR)),
    tells: ["refused RECORD_FRAME"],
  },
  {
    name: "start-info-is-page-table",
    on: PV64,
    edit: (draft, kind) => draft.patch(BASIC, at(kind).edx, word(kind, topTable(draft, kind))),
    tells: ["refused RECORD_FRAME"],
  },
  {
    name: "start-info-without-memory",
    on: PV64,
    edit: (draft, kind) => emptyPage(draft, startInfo(draft, kind)),
    tells: ["refused RECORD_FRAME"],
  },
  {
    name: "store-frame-out-of-range",
    on: PV,
    edit: (draft, kind) => {
      const { place, offset } = findPage(draft, startInfo(draft, kind));
      draft.patch(place, offset + at(kind).storePfn, word(kind, FAR));
    },
    tells: ["refused RECORD_FRAME"],
  },
  {
    name: "console-frame-out-of-range",
    on: PV,
    edit: (draft, kind) => {
      const { place, offset } = findPage(draft, startInfo(draft, kind));
      draft.patch(place, offset + at(kind).consolePfn, word(kind, FAR));
    },
    tells: ["refused RECORD_FRAME"],
  },
  {
    name: "too-many-gdt-entries",
    on: PV,
    edit: (draft, kind) => draft.patch(BASIC, at(kind).gdtCount, word(kind, 0x3800)),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "gdt-frame-out-of-range",
    on: PV64,
    edit: (draft, kind) => draft.patch(BASIC, at(kind).gdtFrames, word(kind, FAR)),
    tells: ["refused RECORD_FRAME"],
  },
  {
    name: "gdt-frame-is-page-table",
    on: PV64,
    edit: (draft, kind) =>
      draft.patch(BASIC, at(kind).gdtFrames, word(kind, topTable(draft, kind))),
    tells: ["refused RECORD_FRAME"],
  },
  {
    name: "cr3-out-of-range",
    on: PV,
    edit: (draft, kind) =>
      draft.patch(BASIC, at(kind).cr3, kind === "pv32" ? u32(0xffff_f000) : u64(FAR * 4096)),
    tells: ["refused RECORD_FRAME"],
  },
  {
    name: "top-page-table-is-no-page-table",
    on: PV,
    edit: (draft, kind) => retypePage(draft, topTable(draft, kind), 0),
    tells: ["refused RECORD_FRAME"],
  },
  {
    name: "page-table-names-frame-out-of-range",
    on: PV64,
    edit: (draft, kind) => {
      const { place, offset } = findPage(draft, topTable(draft, kind));
      draft.patch(place, offset, u64(BigInt(FAR) * 4096n + 0x67n));
    },
    tells: ["refused RECORD_FRAME"],
    tellsIndexed: [],
  },
  {
    name: "page-is-pinned-for-no-reason",
    on: PV64,
    edit: (draft, kind) => retypePage(draft, startInfo(draft, kind), 0xc),
    tells: ["refused RECORD_FRAME"],
  },
];
