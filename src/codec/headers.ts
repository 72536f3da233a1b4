import {
  DOMAIN_HEADER_BYTES,
  DOMAIN_PAGE_SHIFT,
  IMAGE_HEADER_BYTES,
  IMAGE_ID,
  IMAGE_MARKER,
  IMAGE_OPT_BIG_ENDIAN_MASK,
  IMAGE_VERSION_MAX,
} from "../format/libxc.ts";
import {
  LIBXL_HEADER_BYTES,
  LIBXL_IDENT,
  LIBXL_OPT_BIG_ENDIAN_MASK,
  LIBXL_OPT_LEGACY_MASK,
  LIBXL_VERSION,
} from "../format/libxl.ts";
import {
  XL_BYTE_ORDER,
  XL_CONFIG_HEAD_BYTES,
  XL_HEADER_BYTES,
  XL_MAGIC,
  XL_MANDATORY_JSON_MASK,
  XL_MANDATORY_STREAM_V2_MASK,
} from "../format/xl.ts";
import type { DomainHeader, ImageHeader, LibxlHeader, XlHeader } from "./events.ts";
import { type ByteOrder, viewOf } from "./steps.ts";

/** xl's header as xl itself writes it around a JSON configuration. */
export function xlHeader(configJson: string): XlHeader {
  const text = new TextEncoder().encode(`${configJson}\0`);
  const optionalData = new Uint8Array(XL_CONFIG_HEAD_BYTES + text.length);
  viewOf(optionalData).setUint32(0, text.length, true);
  optionalData.set(text, XL_CONFIG_HEAD_BYTES);
  return {
    byteOrder: "little",
    mandatoryFlags: XL_MANDATORY_JSON_MASK | XL_MANDATORY_STREAM_V2_MASK,
    optionalFlags: 0,
    optionalData,
    config: optionalData.subarray(XL_CONFIG_HEAD_BYTES),
  };
}

/** The same header with another configuration, and what may stand behind that as it was. */
export function withConfig(header: XlHeader, config: Uint8Array): XlHeader {
  const { byteOrder, optionalData, config: before } = header;
  const rest = optionalData.subarray(XL_CONFIG_HEAD_BYTES + (before?.length ?? 0));
  const changed = new Uint8Array(XL_CONFIG_HEAD_BYTES + config.length + rest.length);
  viewOf(changed).setUint32(0, config.length, byteOrder === "little");
  changed.set(config, XL_CONFIG_HEAD_BYTES);
  changed.set(rest, XL_CONFIG_HEAD_BYTES + config.length);
  const placed = changed.subarray(XL_CONFIG_HEAD_BYTES, XL_CONFIG_HEAD_BYTES + config.length);
  return { ...header, optionalData: changed, config: placed };
}

/** libxl's header as libxl writes it; `options` only for streams of other writers. */
export function libxlHeader(options = 0): LibxlHeader {
  return {
    version: LIBXL_VERSION,
    options,
    byteOrder: byteOrderOf(options & LIBXL_OPT_BIG_ENDIAN_MASK),
    isConverted: (options & LIBXL_OPT_LEGACY_MASK) !== 0,
  };
}

/** libxc's image header as libxc writes it; arguments only for streams of other writers. */
export function imageHeader(version = IMAGE_VERSION_MAX, options = 0): ImageHeader {
  const byteOrder = byteOrderOf(options & IMAGE_OPT_BIG_ENDIAN_MASK);
  return { version, options, byteOrder, reserved: [0, 0] };
}

/** libxc's domain header for a guest of type `guestType`, saved by a Xen of that version. */
export function domainHeader(guestType: number, xenMajor: number, xenMinor: number): DomainHeader {
  return { guestType, pageShift: DOMAIN_PAGE_SHIFT, reserved: 0, xenMajor, xenMinor };
}

/** Encodes xl's header with its optional data. `header.config` is taken from the latter. */
export function encodeXlHeader(header: XlHeader): Uint8Array {
  const { byteOrder, mandatoryFlags, optionalFlags, optionalData } = header;
  const isLittle = byteOrder === "little";
  const bytes = new Uint8Array(XL_HEADER_BYTES + optionalData.length);
  bytes.set(new TextEncoder().encode(XL_MAGIC));
  const view = viewOf(bytes);
  view.setUint32(32, XL_BYTE_ORDER, isLittle);
  view.setUint32(36, mandatoryFlags, isLittle);
  view.setUint32(40, optionalFlags, isLittle);
  view.setUint32(44, optionalData.length, isLittle);
  bytes.set(optionalData, XL_HEADER_BYTES);
  return bytes;
}

/** Encodes libxl's header: big-endian whatever its options say. */
export function encodeLibxlHeader(header: LibxlHeader): Uint8Array {
  const bytes = new Uint8Array(LIBXL_HEADER_BYTES);
  const view = viewOf(bytes);
  view.setBigUint64(0, LIBXL_IDENT);
  view.setUint32(8, header.version);
  view.setUint32(12, header.options);
  return bytes;
}

/** Encodes libxc's image header: big-endian whatever its options say. */
export function encodeImageHeader(header: ImageHeader): Uint8Array {
  const bytes = new Uint8Array(IMAGE_HEADER_BYTES);
  const view = viewOf(bytes);
  view.setBigUint64(0, IMAGE_MARKER);
  view.setUint32(8, IMAGE_ID);
  view.setUint32(12, header.version);
  view.setUint16(16, header.options);
  view.setUint16(18, header.reserved[0]);
  view.setUint32(20, header.reserved[1]);
  return bytes;
}

/** Encodes libxc's domain header in the byte order of the image header's options. */
export function encodeDomainHeader(header: DomainHeader, byteOrder: ByteOrder): Uint8Array {
  const isLittle = byteOrder === "little";
  const bytes = new Uint8Array(DOMAIN_HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, header.guestType, isLittle);
  view.setUint16(4, header.pageShift, isLittle);
  view.setUint16(6, header.reserved, isLittle);
  view.setUint32(8, header.xenMajor, isLittle);
  view.setUint32(12, header.xenMinor, isLittle);
  return bytes;
}

function byteOrderOf(bigEndianBit: number): ByteOrder {
  return bigEndianBit === 0 ? "little" : "big";
}
