import { octetsIn, text } from "../support/bytes.ts";
import { record, XC, XL, xc, xl } from "./draft.ts";
import { ALL, HVM, type Mutation, PV64, PVH } from "./mutation.ts";

const { u32 } = octetsIn("little");
const PERMISSION = "domain is yours, you are cleared to unpause\0";

/** Mutations of what both formats of records share, of their signals, and of the end. */
export const FRAMING_MUTATIONS: readonly Mutation[] = [
  { name: "none", on: ["pvh", "hvm", "pv64", "pv32"], edit: () => {}, tells: [] },
  {
    name: "record-too-long",
    on: PVH,
    edit: (draft) => draft.claim(xc(XC.TSC_INFO), 128 * 1024 * 1024 + 8),
    tells: ["refused RECORD_TOO_LONG"],
  },
  {
    name: "record-longer-than-file",
    on: PVH,
    edit: (draft) => draft.claim(xc(XC.TSC_INFO), 64 * 1024 * 1024),
    tells: ["refused STREAM_TRUNCATED"],
  },
  {
    name: "libxl-record-longer-than-file",
    on: PVH,
    edit: (draft) => draft.claim(xl(XL.END), 64 * 1024 * 1024),
    tells: ["violated STREAM_TRUNCATED"],
  },
  {
    name: "padding-not-zero",
    on: ALL,
    edit: (draft) => draft.before(xc(XC.TSC_INFO), record("libxc", 0x8000_0042, text("12345"), 7)),
    tells: ["violated RECORD_PADDING"],
  },
  {
    name: "unknown-mandatory-record",
    on: ALL,
    edit: (draft) => draft.before(xc(XC.TSC_INFO), record("libxc", 0x13)),
    tells: ["refused RECORD_UNKNOWN"],
  },
  {
    name: "unknown-mandatory-record-high",
    on: PVH,
    edit: (draft) => draft.before(xc(XC.TSC_INFO), record("libxc", 0x7fff_ffff, text("12345678"))),
    tells: ["refused RECORD_UNKNOWN"],
  },
  {
    name: "optional-record",
    on: ALL,
    edit: (draft) => draft.before(xc(XC.TSC_INFO), record("libxc", 0x8000_0042, text("12345"))),
    tells: [],
  },
  {
    name: "optional-record-first",
    on: PVH,
    edit: (draft) => draft.after("domain-header", record("libxc", 0xffff_ffff)),
    tells: [],
  },
  {
    name: "optional-twin-of-page-data",
    on: PVH,
    edit: (draft) => draft.before(xc(XC.TSC_INFO), record("libxc", 0x8000_0001, text("12345"))),
    tells: [],
  },
  {
    name: "libxl-unknown-mandatory-record",
    on: PVH,
    edit: (draft) => draft.before(xl(XL.END), record("libxl", 6)),
    tells: ["refused RECORD_UNKNOWN"],
  },
  {
    name: "libxl-optional-record",
    on: PVH,
    edit: (draft) => draft.before(xl(XL.END), record("libxl", 0x8000_0001, text("12345678"))),
    tells: ["refused RECORD_OPTIONAL"],
  },
  {
    name: "end-with-body",
    on: PVH,
    edit: (draft) => draft.write(xc(XC.END), text("12345678")),
    tells: ["violated RECORD_LENGTH"],
  },
  {
    name: "static-data-end-with-body",
    on: PVH,
    edit: (draft) => draft.write(xc(XC.STATIC_DATA_END), text("12345678")),
    tells: ["violated RECORD_LENGTH"],
  },
  {
    name: "verify-with-body",
    on: PVH,
    edit: (draft) => draft.before(xc(XC.TSC_INFO), record("libxc", XC.VERIFY, text("12345678"))),
    tells: ["violated RECORD_LENGTH"],
  },
  {
    name: "libxc-context-with-body",
    on: PVH,
    edit: (draft) => draft.write(xl(XL.LIBXC_CONTEXT), text("12345678")),
    tells: ["violated RECORD_LENGTH"],
  },
  {
    name: "libxl-end-with-body",
    on: PVH,
    edit: (draft) => draft.write(xl(XL.END), text("12345678")),
    tells: ["violated RECORD_LENGTH"],
  },
  {
    name: "toolstack",
    on: ALL,
    edit: (draft) => draft.before(xc(XC.TSC_INFO), record("libxc", XC.TOOLSTACK, text("12345678"))),
    tells: ["refused RECORD_NOT_RESTORABLE"],
  },
  {
    name: "dirty-pfn-list",
    on: PVH,
    edit: (draft) =>
      draft.before(xc(XC.TSC_INFO), record("libxc", XC.DIRTY_PFN_LIST, text("12345678"))),
    tells: ["refused RECORD_BACK_CHANNEL"],
  },
  {
    name: "end-too-early",
    on: PVH,
    edit: (draft) => draft.before(xc(XC.PAGE_DATA), record("libxc", XC.END)),
    tells: ["suspicious ORDER_MISSING", "suspicious ORDER_MISSING", "refused ORDER_MISSING"],
  },
  {
    name: "cut-after-libxc-end",
    on: ALL,
    edit: (draft) => draft.cut(xl(XL.END), 0),
    tells: ["violated STREAM_TRUNCATED"],
  },
  {
    name: "cut-after-libxc-end-hvm",
    on: HVM,
    edit: (draft) => draft.cut(xl(XL.EMULATOR_CONTEXT), 0),
    tells: ["refused STREAM_TRUNCATED"],
  },
  {
    name: "cut-in-libxl-end",
    on: PVH,
    edit: (draft) => draft.cut(xl(XL.END), 4),
    tells: ["violated STREAM_TRUNCATED"],
  },
  {
    name: "cut-before-libxc-end",
    on: ALL,
    edit: (draft) => draft.cut(xc(XC.END), 0),
    tells: ["refused STREAM_TRUNCATED"],
  },
  {
    name: "cut-in-page-data",
    on: ALL,
    edit: (draft) => draft.cut(xc(XC.PAGE_DATA), 5000),
    tells: ["refused STREAM_TRUNCATED"],
  },
  {
    name: "cut-in-pfn-words",
    on: PVH,
    edit: (draft) => draft.cut(xc(XC.PAGE_DATA), 20),
    tells: ["refused STREAM_TRUNCATED"],
  },
  {
    name: "cut-in-record-header",
    on: PVH,
    edit: (draft) => draft.cut(xc(XC.TSC_INFO), 4),
    tells: ["refused STREAM_TRUNCATED"],
  },
  {
    name: "cut-after-page-data",
    on: PV64,
    edit: (draft) => draft.cut(xc(XC.TSC_INFO), 0),
    tells: ["refused STREAM_TRUNCATED"],
  },
  {
    name: "garbage-after-end",
    on: ALL,
    edit: (draft) => draft.append(text("garbage")),
    tells: ["violated STREAM_TRAILING_DATA"],
  },
  {
    name: "zeros-after-end",
    on: PVH,
    edit: (draft) => draft.append(new Uint8Array(4096)),
    tells: ["violated STREAM_TRAILING_DATA"],
  },
  {
    name: "permission-after-end",
    on: PVH,
    edit: (draft) => draft.append(text(PERMISSION)),
    tells: [],
  },

  {
    name: "no-static-data-end",
    on: ALL,
    edit: (draft) => draft.drop(xc(XC.STATIC_DATA_END)),
    tells: ["refused ORDER_STATIC_DATA_MISSING"],
  },
  {
    name: "static-data-end-twice",
    on: ALL,
    edit: (draft) => draft.after(xc(XC.STATIC_DATA_END), record("libxc", XC.STATIC_DATA_END)),
    tells: ["refused ORDER_REPEATED"],
  },
  {
    name: "static-data-end-late",
    on: ALL,
    edit: (draft) => draft.move(xc(XC.STATIC_DATA_END), { after: xc(XC.PAGE_DATA) }),
    tells: ["refused ORDER_STATIC_DATA_MISSING"],
  },
  {
    name: "static-data-end-after-tsc-info",
    on: PVH,
    edit: (draft) => draft.move(xc(XC.TSC_INFO), { before: xc(XC.STATIC_DATA_END) }),
    tells: ["violated ORDER_STATIC_DATA_MISSING"],
  },

  {
    name: "checkpoint-in-plain-stream",
    on: PVH,
    edit: (draft) => draft.before(xc(XC.END), record("libxc", XC.CHECKPOINT)),
    tells: ["refused ORDER_CHECKPOINT"],
  },
  {
    name: "checkpointed",
    on: PVH,
    edit: (draft) => {
      const state = [XC.TSC_INFO, XC.HVM_CONTEXT, XC.HVM_PARAMS].map((type) =>
        draft.copy(xc(type)),
      );
      draft.before(xc(XC.END), record("libxc", XC.CHECKPOINT), record("libxl", XL.CHECKPOINT_END));
      draft.before(xc(XC.END), ...state);
    },
    tells: [],
    differs: "xl restore takes no checkpointed stream; xl migrate-receive --remus does",
  },
  {
    name: "checkpoint-end-alone",
    on: PVH,
    edit: (draft) => draft.before(xl(XL.END), record("libxl", XL.CHECKPOINT_END)),
    tells: ["refused ORDER_CHECKPOINT"],
  },
  {
    name: "checkpoint-state-alone",
    on: PVH,
    edit: (draft) => draft.before(xl(XL.END), record("libxl", XL.CHECKPOINT_STATE, u32(0))),
    tells: ["refused ORDER_CHECKPOINT"],
  },
];
