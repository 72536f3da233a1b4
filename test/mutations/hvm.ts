import { join, octetsIn, text } from "../support/bytes.ts";
import { type Draft, record, xc, XC, xl, XL } from "./draft.ts";
import { ALL, HVM, type Mutation, PVH } from "./mutation.ts";

const { u8, u32, u64 } = octetsIn("little");
const CONTEXT = xc(XC.HVM_CONTEXT);
const PARAMS = xc(XC.HVM_PARAMS);
const EMULATOR = xl(XL.EMULATOR_CONTEXT);

/** Adds a param to HVM_PARAMS. */
function addParam(draft: Draft, index: number, value: number): void {
  const body = draft.read(PARAMS);
  const count = new DataView(body.buffer).getUint32(0, true);
  draft.write(PARAMS, join(u32(count + 1, 0), body.subarray(8), u64(index, value)));
}

/** Puts an EMULATOR_XENSTORE_DATA of QEMU before its context; Xen's own images have none. */
function addXenstore(draft: Draft, data: Uint8Array, fill = 0): void {
  const body = join(u32(2, 0), data);
  draft.before(EMULATOR, record("libxl", XL.EMULATOR_XENSTORE_DATA, body, fill));
}

/** Where the entries of an HVM context start; the last is the END. */
function contextEntries(body: Uint8Array): readonly number[] {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const offsets: number[] = [];
  for (let offset = 0; offset < body.length; offset += 8 + view.getUint32(offset + 4, true)) {
    offsets.push(offset);
  }
  return offsets;
}

/** Mutations of an HVM guest's state, PVH's included, and of static data. */
export const HVM_MUTATIONS: readonly Mutation[] = [
  {
    name: "no-cpuid-policy",
    on: ALL,
    edit: (draft) => draft.drop(xc(XC.CPUID_POLICY)),
    tells: [],
  },
  {
    name: "no-msr-policy",
    on: PVH,
    edit: (draft) => draft.drop(xc(XC.MSR_POLICY)),
    tells: [],
  },
  {
    name: "cpuid-policy-empty",
    on: PVH,
    edit: (draft) => draft.write(xc(XC.CPUID_POLICY), new Uint8Array(0)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "cpuid-policy-length",
    on: PVH,
    edit: (draft) => draft.write(xc(XC.CPUID_POLICY), draft.read(xc(XC.CPUID_POLICY)).subarray(1)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "cpuid-policy-unknown-leaf",
    on: PVH,
    edit: (draft) => draft.patch(xc(XC.CPUID_POLICY), 0, u32(0x1234_5678)),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "msr-policy-empty",
    on: PVH,
    edit: (draft) => draft.write(xc(XC.MSR_POLICY), new Uint8Array(0)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "msr-policy-length",
    on: PVH,
    edit: (draft) => draft.write(xc(XC.MSR_POLICY), draft.read(xc(XC.MSR_POLICY)).subarray(1)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "msr-policy-flags",
    on: ALL,
    edit: (draft) => draft.patch(xc(XC.MSR_POLICY), 4, u32(1)),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "msr-policy-unknown-msr",
    on: PVH,
    edit: (draft) => draft.patch(xc(XC.MSR_POLICY), 0, u32(0x1234)),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "policy-after-static-data-end",
    on: PVH,
    edit: (draft) => draft.move(xc(XC.CPUID_POLICY), { after: xc(XC.STATIC_DATA_END) }),
    tells: ["violated ORDER_STATIC_DATA_LATE"],
  },
  {
    name: "policy-twice",
    on: PVH,
    edit: (draft) => draft.after(xc(XC.CPUID_POLICY), draft.copy(xc(XC.CPUID_POLICY))),
    tells: ["suspicious ORDER_REPEATED"],
  },

  {
    name: "no-tsc-info",
    on: ALL,
    edit: (draft) => draft.drop(xc(XC.TSC_INFO)),
    tells: ["suspicious ORDER_MISSING"],
  },
  {
    name: "tsc-info-short",
    on: ALL,
    edit: (draft) => draft.write(xc(XC.TSC_INFO), draft.read(xc(XC.TSC_INFO)).subarray(0, 20)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "tsc-info-long",
    on: PVH,
    edit: (draft) => draft.write(xc(XC.TSC_INFO), join(draft.read(xc(XC.TSC_INFO)), u64(0))),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "tsc-info-reserved-field",
    on: PVH,
    edit: (draft) => draft.patch(xc(XC.TSC_INFO), 20, u32(1)),
    tells: ["violated RECORD_RESERVED"],
  },
  {
    name: "tsc-info-mode",
    on: ALL,
    edit: (draft) => draft.patch(xc(XC.TSC_INFO), 0, u32(7)),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "tsc-info-twice",
    on: PVH,
    edit: (draft) => draft.after(xc(XC.TSC_INFO), draft.copy(xc(XC.TSC_INFO))),
    tells: ["suspicious ORDER_REPEATED"],
  },

  {
    name: "no-hvm-context",
    on: PVH,
    edit: (draft) => draft.drop(CONTEXT),
    tells: ["refused ORDER_MISSING"],
  },
  {
    name: "hvm-context-empty",
    on: PVH,
    edit: (draft) => draft.write(CONTEXT, new Uint8Array(0)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "hvm-context-cut",
    on: PVH,
    edit: (draft) => {
      const body = draft.read(CONTEXT);
      draft.write(CONTEXT, body.subarray(0, contextEntries(body).at(-1)! - 3));
    },
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "hvm-context-without-end",
    on: PVH,
    edit: (draft) => {
      const body = draft.read(CONTEXT);
      draft.write(CONTEXT, body.subarray(0, contextEntries(body).at(-1)));
    },
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "hvm-context-after-end",
    on: PVH,
    edit: (draft) => draft.write(CONTEXT, join(draft.read(CONTEXT), text("12345678"))),
    tells: ["suspicious RECORD_LENGTH"],
  },
  {
    name: "hvm-context-magic",
    on: PVH,
    edit: (draft) => draft.patch(CONTEXT, 8, u32(0x5438_1287)),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "hvm-context-version",
    on: PVH,
    edit: (draft) => draft.patch(CONTEXT, 12, u32(2)),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "hvm-context-without-header",
    on: PVH,
    edit: (draft) => {
      const body = draft.read(CONTEXT);
      draft.write(CONTEXT, body.subarray(contextEntries(body)[1]));
    },
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "hvm-context-unknown-entry",
    on: PVH,
    edit: (draft) => draft.patch(CONTEXT, contextEntries(draft.read(CONTEXT))[1]!, u8(99)),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "hvm-context-entry-too-long",
    on: PVH,
    edit: (draft) =>
      draft.patch(CONTEXT, contextEntries(draft.read(CONTEXT))[1]! + 4, u32(0x7fff_fff0)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "hvm-context-twice",
    on: PVH,
    edit: (draft) => draft.after(CONTEXT, draft.copy(CONTEXT)),
    tells: ["suspicious ORDER_REPEATED"],
  },
  {
    name: "hvm-context-before-memory",
    on: PVH,
    edit: (draft) => draft.move(CONTEXT, { before: xc(XC.PAGE_DATA) }),
    tells: [],
  },
  {
    name: "hvm-params-before-context",
    on: PVH,
    edit: (draft) => draft.move(PARAMS, { before: CONTEXT }),
    tells: [],
  },
  {
    name: "no-hvm-params",
    on: PVH,
    edit: (draft) => draft.drop(PARAMS),
    tells: ["suspicious ORDER_MISSING"],
  },
  {
    name: "hvm-params-before-memory",
    on: PVH,
    edit: (draft) => draft.move(PARAMS, { before: xc(XC.PAGE_DATA) }),
    tells: [],
  },
  {
    name: "hvm-params-count-one-more",
    on: PVH,
    edit: (draft) => draft.patch(PARAMS, 0, u32(draft.view(PARAMS).getUint32(0, true) + 1)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "hvm-params-count-one-less",
    on: PVH,
    edit: (draft) => draft.patch(PARAMS, 0, u32(draft.view(PARAMS).getUint32(0, true) - 1)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "hvm-params-count-huge",
    on: PVH,
    edit: (draft) => draft.patch(PARAMS, 0, u32(0x1000_0000 + draft.view(PARAMS).getUint32(0, true))),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "hvm-params-half-head",
    on: PVH,
    edit: (draft) => draft.write(PARAMS, u32(0)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "hvm-params-none-and-again",
    on: PVH,
    edit: (draft) => draft.before(PARAMS, record("libxc", XC.HVM_PARAMS, u32(0, 0))),
    tells: ["suspicious RECORD_EMPTY", "suspicious ORDER_REPEATED"],
  },
  {
    name: "hvm-params-reserved-field",
    on: PVH,
    edit: (draft) => draft.patch(PARAMS, 4, u32(1)),
    tells: ["violated RECORD_RESERVED"],
  },
  {
    name: "hvm-params-unknown-index",
    on: PVH,
    edit: (draft) => addParam(draft, 1000, 1),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "hvm-params-deprecated-index",
    on: PVH,
    edit: (draft) => addParam(draft, 20, 1),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "hvm-params-pae",
    on: PVH,
    edit: (draft) => addParam(draft, 4, 1),
    tells: [],
  },
  {
    name: "hvm-params-timer-mode",
    on: PVH,
    edit: (draft) => addParam(draft, 10, 9),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "hvm-params-twice",
    on: PVH,
    edit: (draft) => draft.after(PARAMS, draft.copy(PARAMS)),
    tells: ["suspicious ORDER_REPEATED"],
  },
  {
    name: "hvm-params-store-pfn-nowhere",
    on: PVH,
    edit: (draft) => addParam(draft, 1, 0x1234_5678),
    tells: ["suspicious RECORD_FRAME"],
  },
  {
    name: "pv-info-in-hvm",
    on: PVH,
    edit: (draft) =>
      draft.before(xc(XC.STATIC_DATA_END), record("libxc", XC.PV_INFO, u8(8, 4, 0, 0, 0, 0, 0, 0))),
    tells: ["refused RECORD_GUEST_TYPE"],
  },
  {
    name: "p2m-frames-in-hvm",
    on: PVH,
    edit: (draft) =>
      draft.before(xc(XC.PAGE_DATA), record("libxc", XC.P2M_FRAMES, join(u32(0, 0), u64(0)))),
    tells: ["refused RECORD_GUEST_TYPE"],
  },
  {
    name: "shared-info-in-hvm",
    on: PVH,
    edit: (draft) =>
      draft.before(xc(XC.TSC_INFO), record("libxc", XC.SHARED_INFO, new Uint8Array(4096))),
    tells: ["refused RECORD_GUEST_TYPE"],
  },
  {
    name: "vcpu-in-hvm",
    on: PVH,
    edit: (draft) => draft.before(xc(XC.TSC_INFO), record("libxc", XC.VCPU_BASIC, u32(0, 0))),
    tells: ["refused RECORD_GUEST_TYPE"],
  },

  {
    name: "emulator-in-pvh",
    on: PVH,
    edit: (draft) => draft.before(xl(XL.END), record("libxl", XL.EMULATOR_CONTEXT, u32(2, 0))),
    tells: ["refused RECORD_GUEST_TYPE"],
  },
  {
    name: "emulator-xenstore-in-pvh",
    on: PVH,
    edit: (draft) => draft.before(xl(XL.END), record("libxl", XL.EMULATOR_XENSTORE_DATA, u32(2, 0))),
    tells: ["refused RECORD_GUEST_TYPE"],
  },
  {
    name: "emulator-short",
    on: HVM,
    edit: (draft) => draft.write(EMULATOR, u32(2)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "emulator-xenstore-short",
    on: HVM,
    edit: (draft) =>
      draft.before(EMULATOR, record("libxl", XL.EMULATOR_XENSTORE_DATA, u32(2))),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "emulator-unknown",
    on: HVM,
    edit: (draft) => draft.patch(EMULATOR, 0, u32(9)),
    tells: ["violated RECORD_VALUE"],
  },
  {
    name: "emulator-empty",
    on: HVM,
    edit: (draft) => draft.write(EMULATOR, u32(2, 0)),
    tells: ["refused RECORD_EMPTY"],
  },
  {
    name: "emulator-without-magic",
    on: HVM,
    edit: (draft) => draft.patch(EMULATOR, 8, text("XXXX")),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "no-emulator",
    on: HVM,
    edit: (draft) => draft.drop(EMULATOR),
    tells: ["refused ORDER_MISSING"],
  },
  {
    name: "emulator-xenstore",
    on: HVM,
    edit: (draft) => addXenstore(draft, text("physmap/1/name\0vga\0")),
    tells: [],
  },
  {
    name: "emulator-xenstore-padding-not-zero",
    on: HVM,
    edit: (draft) => addXenstore(draft, text("physmap/1/name\0vga\0"), 7),
    tells: ["violated RECORD_PADDING"],
  },
  {
    name: "emulator-xenstore-empty",
    on: HVM,
    edit: (draft) => addXenstore(draft, new Uint8Array(0)),
    tells: ["suspicious RECORD_EMPTY"],
  },
  {
    name: "emulator-twice",
    on: HVM,
    edit: (draft) => draft.after(EMULATOR, draft.copy(EMULATOR)),
    tells: ["suspicious ORDER_REPEATED"],
  },
  {
    name: "emulator-before-libxc",
    on: HVM,
    edit: (draft) => draft.move(EMULATOR, { before: xl(XL.LIBXC_CONTEXT) }),
    tells: [],
  },
  {
    name: "emulator-xenstore-without-nul",
    on: HVM,
    edit: (draft) => addXenstore(draft, text("physmap/1/name\0vga")),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "emulator-xenstore-odd",
    on: HVM,
    edit: (draft) => addXenstore(draft, text("physmap/1/name\0vga\0physmap\0")),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "emulator-xenstore-key",
    on: HVM,
    edit: (draft) => addXenstore(draft, text("phys map!\0vga\0")),
    tells: ["violated RECORD_VALUE"],
  },
  {
    name: "no-libxc-context",
    on: PVH,
    edit: (draft) => {
      const end = draft.copy(xl(XL.END));
      draft.cut(xl(XL.LIBXC_CONTEXT), 0);
      draft.append(end.bytes);
    },
    tells: ["refused ORDER_MISSING"],
  },
  {
    name: "libxc-context-twice",
    on: PVH,
    edit: (draft) => draft.before(xl(XL.END), record("libxl", XL.LIBXC_CONTEXT)),
    tells: ["refused ORDER_REPEATED"],
  },
];
