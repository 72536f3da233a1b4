import { join, octetsIn, text } from "../support/bytes.ts";
import { type Draft, pagesOf, type Place, record, xc, XC, xl, XL } from "./draft.ts";
import { type Kind, type Mutation, PV, PV64 } from "./mutation.ts";

const { u8, u16, u32, u64 } = octetsIn("little");
const INFO = xc(XC.PV_INFO);
const P2M = xc(XC.P2M_FRAMES);
const BASIC = xc(XC.VCPU_BASIC);
const FIRST = xc(XC.PAGE_DATA);
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
function findPage(draft: Draft, pfn: number): { readonly place: Place; readonly offset: number; readonly index: number } {
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

/** A vCPU record of vCPU 0 with so many octets of context. */
function vcpu(type: number, contextBytes: number) {
  return record("libxc", type, join(u32(0, 0), new Uint8Array(contextBytes)));
}

/** Mutations of PV guests alone. */
export const PV_MUTATIONS: readonly Mutation[] = [
  {
    name: "no-pv-info",
    on: PV,
    edit: (draft) => draft.drop(INFO),
    tells: ["refused ORDER_DEPENDENCY"],
  },
  {
    name: "pv-info-twice",
    on: PV64,
    edit: (draft) => draft.after(INFO, draft.copy(INFO)),
    tells: ["refused ORDER_REPEATED"],
  },
  {
    name: "pv-info-width",
    on: PV64,
    edit: (draft) => draft.patch(INFO, 0, u8(5)),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "pv-info-levels",
    on: PV64,
    edit: (draft) => draft.patch(INFO, 1, u8(3)),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "pv-info-other-width",
    on: PV64,
    edit: (draft) => draft.patch(INFO, 0, u8(4, 3)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "pv-info-short",
    on: PV64,
    edit: (draft) => draft.write(INFO, u8(8, 4, 0, 0)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "pv-info-long",
    on: PV64,
    edit: (draft) => draft.write(INFO, join(draft.read(INFO), u64(0))),
    tells: ["violated RECORD_LENGTH"],
  },
  {
    name: "pv-info-reserved-field",
    on: PV64,
    edit: (draft) => draft.patch(INFO, 2, u16(1)),
    tells: ["violated RECORD_RESERVED"],
  },
  {
    name: "pv-info-after-static-data-end",
    on: PV64,
    edit: (draft) => draft.move(INFO, { after: xc(XC.STATIC_DATA_END) }),
    tells: ["violated ORDER_STATIC_DATA_LATE"],
  },
  {
    name: "pv-info-after-p2m",
    on: PV64,
    edit: (draft) => draft.move(INFO, { after: P2M }),
    tells: ["refused ORDER_DEPENDENCY"],
  },

  {
    name: "no-p2m-frames",
    on: PV,
    edit: (draft) => draft.drop(P2M),
    tells: ["refused ORDER_DEPENDENCY"],
  },
  {
    name: "p2m-frames-before-static-data-end",
    on: PV64,
    edit: (draft) => draft.move(P2M, { before: xc(XC.STATIC_DATA_END) }),
    tells: ["refused ORDER_STATIC_DATA_MISSING"],
  },
  {
    name: "p2m-frames-after-memory",
    on: PV64,
    edit: (draft) => draft.move(P2M, { before: xc(XC.TSC_INFO) }),
    tells: ["refused ORDER_DEPENDENCY"],
  },
  {
    name: "p2m-frames-end-before-start",
    on: PV64,
    edit: (draft) => draft.patch(P2M, 0, u32(10, 9)),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "p2m-frames-one-missing",
    on: PV,
    edit: (draft) => draft.write(P2M, draft.read(P2M).subarray(0, -8)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "p2m-frames-one-too-many",
    on: PV64,
    edit: (draft) => draft.write(P2M, join(draft.read(P2M), u64(1))),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "p2m-frames-half-head",
    on: PV64,
    edit: (draft) => draft.write(P2M, u32(0)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "p2m-frames-half-of-memory",
    on: PV64,
    edit: (draft) => {
      const frames = draft.read(P2M);
      const list = Math.floor((frames.length - 8) / 16);
      draft.write(P2M, join(u32(0, list * 512 - 1), frames.subarray(8, 8 + list * 8)));
    },
    tells: ["refused GUEST_PFN_RANGE"],
  },
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
    name: "p2m-frames-twice",
    on: PV64,
    edit: (draft) => draft.after(P2M, draft.copy(P2M)),
    tells: [],
  },

  {
    name: "no-vcpu-basic",
    on: PV,
    edit: (draft) => draft.drop(BASIC),
    tells: ["refused ORDER_MISSING"],
  },
  {
    name: "vcpu-basic-of-another-size",
    on: PV,
    edit: (draft) => draft.write(BASIC, join(draft.read(BASIC), u64(0))),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "vcpu-half-head",
    on: PV64,
    edit: (draft) => draft.write(BASIC, u32(0)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "vcpu-empty-basic",
    on: PV64,
    edit: (draft) => draft.write(BASIC, u32(0, 0)),
    tells: ["suspicious RECORD_EMPTY", "refused ORDER_MISSING"],
  },
  {
    name: "vcpu-not-configured",
    on: PV64,
    edit: (draft) => draft.after(BASIC, record("libxc", XC.VCPU_MSRS, join(u32(40, 0), u64(0, 0)))),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "vcpu-not-possible",
    on: PV64,
    edit: (draft) => draft.patch(BASIC, 0, u32(0x1_0000)),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "vcpu-reserved-field",
    on: PV64,
    edit: (draft) => draft.patch(BASIC, 4, u32(1)),
    tells: ["violated RECORD_RESERVED"],
  },
  {
    name: "vcpu-basic-twice",
    on: PV64,
    edit: (draft) => draft.after(BASIC, draft.copy(BASIC)),
    tells: ["suspicious ORDER_REPEATED"],
  },
  {
    name: "vcpu-extended-long",
    on: PV64,
    edit: (draft) => draft.write(xc(XC.VCPU_EXTENDED), join(u32(0, 0), new Uint8Array(129))),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "vcpu-xsave-short",
    on: PV64,
    edit: (draft) => draft.after(BASIC, vcpu(XC.VCPU_XSAVE, 8)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "vcpu-msrs-length",
    on: PV64,
    edit: (draft) => draft.after(BASIC, vcpu(XC.VCPU_MSRS, 15)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "vcpu-empty-records",
    on: PV64,
    edit: (draft) =>
      draft.after(BASIC, vcpu(XC.VCPU_EXTENDED, 0), vcpu(XC.VCPU_XSAVE, 0), vcpu(XC.VCPU_MSRS, 0)),
    tells: ["suspicious RECORD_EMPTY", "suspicious RECORD_EMPTY", "suspicious RECORD_EMPTY"],
  },
  {
    name: "vcpu-before-memory",
    on: PV64,
    edit: (draft) => draft.move(BASIC, { after: P2M }),
    tells: ["violated ORDER_DEPENDENCY", "violated ORDER_DEPENDENCY"],
  },
  {
    name: "no-vcpu-extended",
    on: PV64,
    edit: (draft) => draft.drop(xc(XC.VCPU_EXTENDED)),
    tells: [],
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
    edit: (draft, kind) =>
      draft.patch(BASIC, at(kind).edx, word(kind, topTable(draft, kind))),
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

  {
    name: "no-shared-info",
    on: PV64,
    edit: (draft) => draft.drop(xc(XC.SHARED_INFO)),
    tells: ["suspicious ORDER_MISSING"],
  },
  {
    name: "shared-info-short",
    on: PV,
    edit: (draft) => draft.write(xc(XC.SHARED_INFO), new Uint8Array(4088)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "shared-info-twice",
    on: PV64,
    edit: (draft) => draft.after(xc(XC.SHARED_INFO), draft.copy(xc(XC.SHARED_INFO))),
    tells: ["suspicious ORDER_REPEATED"],
  },
  {
    name: "shared-info-first",
    on: PV64,
    edit: (draft) => draft.move(xc(XC.SHARED_INFO), { before: INFO }),
    tells: ["violated ORDER_STATIC_DATA_MISSING", "refused ORDER_DEPENDENCY"],
  },
  {
    name: "hvm-context-in-pv",
    on: PV64,
    edit: (draft) => draft.before(xc(XC.TSC_INFO), record("libxc", XC.HVM_CONTEXT, text("12345678"))),
    tells: ["refused RECORD_GUEST_TYPE"],
  },
  {
    name: "hvm-params-in-pv",
    on: PV64,
    edit: (draft) => draft.before(xc(XC.TSC_INFO), record("libxc", XC.HVM_PARAMS, u32(0, 0))),
    tells: ["refused RECORD_GUEST_TYPE"],
  },
  {
    name: "emulator-in-pv",
    on: PV64,
    edit: (draft) => draft.before(xl(XL.END), record("libxl", XL.EMULATOR_CONTEXT, u32(2, 0))),
    tells: ["refused RECORD_GUEST_TYPE"],
  },
  {
    name: "memory-after-vcpus",
    on: PV64,
    edit: (draft) => draft.move(FIRST, { before: xc(XC.END) }),
    tells: ["violated ORDER_DEPENDENCY"],
  },
];
