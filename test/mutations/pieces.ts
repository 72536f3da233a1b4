import { join, octetsIn } from "../support/bytes.ts";

/** Record types of libxc's stream, by the names of its specification. */
export const XC = {
  END: 0,
  PAGE_DATA: 1,
  PV_INFO: 2,
  P2M_FRAMES: 3,
  VCPU_BASIC: 4,
  VCPU_EXTENDED: 5,
  VCPU_XSAVE: 6,
  SHARED_INFO: 7,
  TSC_INFO: 8,
  HVM_CONTEXT: 9,
  HVM_PARAMS: 10,
  TOOLSTACK: 11,
  VCPU_MSRS: 12,
  VERIFY: 13,
  CHECKPOINT: 14,
  DIRTY_PFN_LIST: 15,
  STATIC_DATA_END: 16,
  CPUID_POLICY: 17,
  MSR_POLICY: 18,
} as const;

/** Record types of libxl's stream. */
export const XL = {
  END: 0,
  LIBXC_CONTEXT: 1,
  EMULATOR_XENSTORE_DATA: 2,
  EMULATOR_CONTEXT: 3,
  CHECKPOINT_END: 4,
  CHECKPOINT_STATE: 5,
} as const;

/** The headers of a saved domain; xl's optional data is a piece of its own. */
export type HeaderName =
  | "xl-header"
  | "xl-data"
  | "libxl-header"
  | "image-header"
  | "domain-header";

/** A part of an image, with all its octets. */
export type Piece =
  | { readonly kind: "header"; readonly name: HeaderName; readonly bytes: Uint8Array }
  | {
      readonly kind: "record";
      readonly layer: "libxl" | "libxc";
      readonly type: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "rest"; readonly bytes: Uint8Array };

const XL_HEADER_BYTES = 48;
const RECORD_HEADER_BYTES = 8;
const { u32 } = octetsIn("little");

/**
 * Takes a sound little-endian image in xl's format apart, without the code that is tested.
 *
 * The pieces are views of `bytes`.
 */
export function split(bytes: Uint8Array): readonly Piece[] {
  const pieces: Piece[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let offset = 0;
  const take = (byteCount: number) => {
    offset += byteCount;
    return bytes.subarray(offset - byteCount, offset);
  };
  const header = (name: HeaderName, byteCount: number) =>
    pieces.push({ kind: "header", name, bytes: take(byteCount) });
  const record = (layer: "libxl" | "libxc") => {
    const type = view.getUint32(offset, true);
    const bodyBytes = view.getUint32(offset + 4, true);
    pieces.push({ kind: "record", layer, type, bytes: take(recordBytes(bodyBytes)) });
    return type;
  };
  header("xl-header", XL_HEADER_BYTES);
  header("xl-data", view.getUint32(44, true));
  header("libxl-header", 16);
  for (let type = record("libxl"); type !== XL.END; type = record("libxl")) {
    if (type === XL.LIBXC_CONTEXT) {
      header("image-header", 24);
      header("domain-header", 16);
      while (record("libxc") !== XC.END);
    }
  }
  if (offset < bytes.length) {
    pieces.push({ kind: "rest", bytes: take(bytes.length - offset) });
  }
  return pieces;
}

function recordBytes(bodyBytes: number): number {
  return RECORD_HEADER_BYTES + Math.ceil(bodyBytes / 8) * 8;
}

/** A whole record, its padding zero unless said otherwise. */
export function record(
  layer: "libxl" | "libxc",
  type: number,
  body: Uint8Array = new Uint8Array(0),
  fill = 0,
): Piece {
  const padding = new Uint8Array((8 - (body.length % 8)) % 8).fill(fill);
  return { kind: "record", layer, type, bytes: join(u32(type, body.length), body, padding) };
}

/** A copy of the body that a record's header announces. */
export function bodyOf({ bytes }: Piece): Uint8Array {
  const bodyBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
  return bytes.slice(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + bodyBytes);
}
