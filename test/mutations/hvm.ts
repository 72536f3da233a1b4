import { join, octetsIn, text } from "../support/bytes.ts";
import { type Draft, record, XC, xc } from "./draft.ts";
import { type Mutation, PVH } from "./mutation.ts";

const { u8, u32, u64 } = octetsIn("little");
const CONTEXT = xc(XC.HVM_CONTEXT);
const PARAMS = xc(XC.HVM_PARAMS);

/** Adds a param to HVM_PARAMS. */
function addParam(draft: Draft, index: number, value: number): void {
  const body = draft.read(PARAMS);
  const count = new DataView(body.buffer).getUint32(0, true);
  draft.write(PARAMS, join(u32(count + 1, 0), body.subarray(8), u64(index, value)));
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

/** Mutations of an HVM guest's state, PVH's included. */
export const HVM_MUTATIONS: readonly Mutation[] = [
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
    edit: (draft) =>
      draft.patch(PARAMS, 0, u32(0x1000_0000 + draft.view(PARAMS).getUint32(0, true))),
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
    differs: "restore has done its part when xl gives up waiting for the guest's console",
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
];
