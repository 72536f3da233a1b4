import { join, octetsIn, text } from "../support/bytes.ts";
import { XC, xc } from "./draft.ts";
import { ALL, type Mutation, PV64, PVH } from "./mutation.ts";

const little = octetsIn("little");
const big = octetsIn("big");

/** Mutations of the headers of all three formats. */
export const HEADER_MUTATIONS: readonly Mutation[] = [
  {
    name: "xl-magic",
    on: PVH,
    edit: (draft) => draft.patch("xl-header", 0, text("Xin")),
    tells: ["refused STREAM_NOT_AN_IMAGE"],
  },
  {
    name: "xl-magic-late",
    on: PVH,
    edit: (draft) => draft.patch("xl-header", 31, little.u8(0)),
    tells: ["refused STREAM_NOT_AN_IMAGE"],
  },
  {
    name: "xl-byte-order-swapped",
    on: PVH,
    edit: (draft) => draft.patch("xl-header", 32, big.u32(0x0102_0304)),
    tells: ["refused STREAM_BIG_ENDIAN"],
  },
  {
    name: "xl-byte-order-garbage",
    on: PVH,
    edit: (draft) => draft.patch("xl-header", 32, little.u32(0x0102_0305)),
    tells: ["refused STREAM_XL_BYTE_ORDER"],
  },
  {
    name: "xl-unknown-mandatory-flag",
    on: PVH,
    edit: (draft) => draft.patch("xl-header", 36, little.u32(7)),
    tells: ["refused STREAM_XL_FLAGS"],
  },
  {
    name: "xl-no-stream-v2-flag",
    on: PVH,
    edit: (draft) => draft.patch("xl-header", 36, little.u32(1)),
    tells: ["refused STREAM_LEGACY"],
  },
  {
    name: "xl-no-json-flag",
    on: PVH,
    edit: (draft) => draft.patch("xl-header", 36, little.u32(2)),
    tells: ["refused STREAM_XL_CONFIG"],
  },
  {
    name: "xl-optional-flag",
    on: PVH,
    edit: (draft) => draft.patch("xl-header", 40, little.u32(1)),
    tells: ["suspicious STREAM_XL_OPTIONAL_FLAGS"],
  },
  {
    name: "xl-no-data",
    on: PVH,
    edit: (draft) => draft.writeXlData(new Uint8Array(0)),
    tells: ["refused STREAM_XL_CONFIG"],
  },
  {
    name: "xl-data-without-length",
    on: PVH,
    edit: (draft) => draft.writeXlData(text("ab")),
    tells: ["refused STREAM_XL_OPTIONAL_DATA"],
  },
  {
    name: "xl-config-longer-than-data",
    on: PVH,
    edit: (draft) => draft.patch("xl-data", 0, little.u32(draft.read("xl-data").length)),
    tells: ["refused STREAM_XL_OPTIONAL_DATA"],
  },
  {
    name: "xl-config-empty",
    on: PVH,
    edit: (draft) => draft.writeXlData(little.u32(0)),
    tells: ["refused STREAM_XL_CONFIG"],
  },
  {
    name: "xl-data-behind-config",
    on: PVH,
    edit: (draft) => draft.writeXlData(join(draft.read("xl-data"), text("for a later xl"))),
    tells: [],
  },
  {
    name: "xl-data-longer-than-file",
    on: PVH,
    edit: (draft) => draft.patch("xl-header", 44, little.u32(0x7fff_ffff)),
    tells: ["refused STREAM_XL_OPTIONAL_DATA"],
  },
  {
    name: "xl-config-not-json",
    on: PVH,
    edit: (draft) => draft.writeConfig("this is no JSON"),
    tells: ["refused STREAM_XL_CONFIG"],
  },
  {
    name: "xl-config-json-cut",
    on: PVH,
    edit: (draft) => draft.writeConfig(draft.config().slice(0, -20)),
    tells: ["refused STREAM_XL_CONFIG"],
  },
  {
    name: "xl-config-without-nul",
    on: PVH,
    edit: (draft) => draft.writeConfig(draft.config(), ""),
    tells: ["suspicious STREAM_XL_CONFIG"],
  },
  {
    name: "xl-config-other-type",
    on: ALL,
    edit: (draft, kind) => {
      const [from, to] = kind === "pv64" ? ["pv", "pvh"] : ["pvh", "pv"];
      draft.writeConfig(draft.config().replaceAll(`"type": "${from}"`, `"type": "${to}"`));
    },
    tells: ["refused STREAM_GUEST_MISMATCH"],
  },
  {
    name: "cut-in-xl-header",
    on: PVH,
    edit: (draft) => draft.cut("xl-header", 40),
    tells: ["refused STREAM_TRUNCATED"],
  },
  {
    name: "cut-in-xl-data",
    on: PVH,
    edit: (draft) => draft.cut("xl-data", 100),
    tells: ["refused STREAM_TRUNCATED"],
  },
  {
    name: "empty-file",
    on: PVH,
    edit: (draft) => draft.cut("xl-header", 0),
    tells: ["refused STREAM_TRUNCATED"],
  },

  {
    name: "libxl-ident",
    on: PVH,
    edit: (draft) => draft.patch("libxl-header", 7, text("T")),
    tells: ["refused STREAM_IDENT"],
  },
  {
    name: "libxl-version-1",
    on: PVH,
    edit: (draft) => draft.patch("libxl-header", 8, big.u32(1)),
    tells: ["refused STREAM_VERSION"],
  },
  {
    name: "libxl-version-3",
    on: PVH,
    edit: (draft) => draft.patch("libxl-header", 8, big.u32(3)),
    tells: ["refused STREAM_VERSION"],
  },
  {
    name: "libxl-big-endian",
    on: PVH,
    edit: (draft) => draft.patch("libxl-header", 12, big.u32(1)),
    tells: ["refused STREAM_BIG_ENDIAN"],
  },
  {
    name: "libxl-legacy-option",
    on: PVH,
    edit: (draft) => draft.patch("libxl-header", 12, big.u32(2)),
    tells: [],
  },
  {
    name: "libxl-reserved-option",
    on: PVH,
    edit: (draft) => draft.patch("libxl-header", 12, big.u32(4)),
    tells: ["violated STREAM_RESERVED"],
  },
  {
    name: "libxl-reserved-option-high",
    on: PVH,
    edit: (draft) => draft.patch("libxl-header", 12, big.u32(0x8000_0000)),
    tells: ["violated STREAM_RESERVED"],
  },
  {
    name: "cut-in-libxl-header",
    on: PVH,
    edit: (draft) => draft.cut("libxl-header", 10),
    tells: ["refused STREAM_TRUNCATED"],
  },

  {
    name: "image-marker",
    on: ALL,
    edit: (draft) => draft.patch("image-header", 3, little.u8(0xfe)),
    tells: ["refused STREAM_IDENT"],
  },
  {
    name: "image-id",
    on: PVH,
    edit: (draft) => draft.patch("image-header", 8, text("XENG")),
    tells: ["refused STREAM_IDENT"],
  },
  {
    name: "image-version-1",
    on: PVH,
    edit: (draft) => draft.patch("image-header", 12, big.u32(1)),
    tells: ["refused STREAM_VERSION"],
  },
  {
    name: "image-version-4",
    on: PV64,
    edit: (draft) => draft.patch("image-header", 12, big.u32(4)),
    tells: ["refused STREAM_VERSION"],
  },
  {
    name: "image-big-endian",
    on: PVH,
    edit: (draft) => draft.patch("image-header", 16, big.u16(1)),
    tells: ["refused STREAM_BIG_ENDIAN"],
  },
  {
    name: "image-reserved-option",
    on: PVH,
    edit: (draft) => draft.patch("image-header", 16, big.u16(0x8000)),
    tells: ["violated STREAM_RESERVED"],
  },
  {
    name: "image-reserved-field",
    on: PVH,
    edit: (draft) => draft.patch("image-header", 18, big.u16(1)),
    tells: ["violated STREAM_RESERVED"],
  },
  {
    name: "image-reserved-field-2",
    on: PV64,
    edit: (draft) => draft.patch("image-header", 20, big.u32(1)),
    tells: ["violated STREAM_RESERVED"],
  },
  {
    name: "cut-in-image-header",
    on: PVH,
    edit: (draft) => draft.cut("image-header", 20),
    tells: ["refused STREAM_TRUNCATED"],
  },
  {
    name: "domain-type-0",
    on: PVH,
    edit: (draft) => draft.patch("domain-header", 0, little.u32(0)),
    tells: ["refused STREAM_GUEST_TYPE"],
  },
  {
    name: "domain-type-3",
    on: PV64,
    edit: (draft) => draft.patch("domain-header", 0, little.u32(3)),
    tells: ["refused STREAM_GUEST_TYPE"],
  },
  {
    name: "domain-type-other",
    on: ALL,
    edit: (draft, kind) => draft.patch("domain-header", 0, little.u32(kind === "pv64" ? 2 : 1)),
    tells: ["refused STREAM_GUEST_MISMATCH"],
  },
  {
    name: "page-shift-13",
    on: ALL,
    edit: (draft) => draft.patch("domain-header", 4, little.u16(13)),
    tells: ["refused STREAM_PAGE_SHIFT"],
  },
  {
    name: "page-shift-0",
    on: PVH,
    edit: (draft) => draft.patch("domain-header", 4, little.u16(0)),
    tells: ["refused STREAM_PAGE_SHIFT"],
  },
  {
    name: "page-shift-44",
    on: PVH,
    edit: (draft) => draft.patch("domain-header", 4, little.u16(44)),
    tells: ["refused STREAM_PAGE_SHIFT"],
    differs: "restore shifts by 44 in 32 bits, which on x86 is a shift by 12",
  },
  {
    name: "domain-reserved-field",
    on: PVH,
    edit: (draft) => draft.patch("domain-header", 6, little.u16(1)),
    tells: ["violated STREAM_RESERVED"],
  },
  {
    name: "xen-version-0",
    on: PVH,
    edit: (draft) => draft.patch("domain-header", 8, little.u32(0)),
    tells: [],
  },
  {
    name: "xen-version-99",
    on: PVH,
    edit: (draft) => draft.patch("domain-header", 8, little.u32(99, 99)),
    tells: [],
  },
  {
    name: "cut-in-domain-header",
    on: PVH,
    edit: (draft) => draft.cut("domain-header", 8),
    tells: ["refused STREAM_TRUNCATED"],
  },
  {
    name: "version-2",
    on: ALL,
    edit: (draft) => {
      draft.patch("image-header", 12, big.u32(2));
      draft.drop(xc(XC.STATIC_DATA_END));
      draft.dropAll({ layer: "libxc", type: XC.CPUID_POLICY });
      draft.dropAll({ layer: "libxc", type: XC.MSR_POLICY });
    },
    tells: [],
  },
  {
    name: "version-2-with-static-data-end",
    on: PVH,
    edit: (draft) => {
      draft.patch("image-header", 12, big.u32(2));
      draft.dropAll({ layer: "libxc", type: XC.CPUID_POLICY });
      draft.dropAll({ layer: "libxc", type: XC.MSR_POLICY });
    },
    tells: ["violated ORDER_STATIC_DATA_VERSION"],
  },
  {
    name: "version-2-with-policies",
    on: ALL,
    edit: (draft) => {
      draft.patch("image-header", 12, big.u32(2));
      draft.drop(xc(XC.STATIC_DATA_END));
    },
    tells: ["violated ORDER_STATIC_DATA_VERSION", "violated ORDER_STATIC_DATA_VERSION"],
  },
];
