import { join, octetsIn, text } from "../support/bytes.ts";
import { record, XC, XL, xc, xl } from "./draft.ts";
import { type Mutation, PV, PV64 } from "./mutation.ts";

const { u8, u16, u32, u64 } = octetsIn("little");
const INFO = xc(XC.PV_INFO);
const P2M = xc(XC.P2M_FRAMES);
const BASIC = xc(XC.VCPU_BASIC);
const FIRST = xc(XC.PAGE_DATA);

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
    edit: (draft) =>
      draft.before(xc(XC.TSC_INFO), record("libxc", XC.HVM_CONTEXT, text("12345678"))),
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
