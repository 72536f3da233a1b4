import { MigrationError } from "../base/errors.ts";
import {
  XL_BYTE_ORDER,
  XL_CONFIG_HEAD_BYTES,
  XL_HEADER_BYTES,
  XL_MAGIC,
  XL_MANDATORY_UNKNOWN_MASK,
  XL_OPTIONAL_DATA_BYTES_MAX,
} from "../format/xl.ts";
import type { XlHeader, XlHeaderEvent } from "./events.ts";
import { type ByteOrder, type Cursor, type Steps, viewOf } from "./steps.ts";

/** Where the fields follow the magic. */
const FIELDS_OFFSET = 32;

/**
 * Reads xl's header of a saved domain, up to where the stream of libxl, or a legacy one, starts.
 *
 * @param magic the first eight octets of it; kept by the caller.
 * @returns what was read, which is the caller's to yield.
 * @throws MigrationError STREAM_NOT_AN_IMAGE, STREAM_XL_BYTE_ORDER, STREAM_XL_OPTIONAL_DATA; when
 *   restoring also STREAM_BIG_ENDIAN, STREAM_XL_FLAGS
 * @source tools/xl/xl.h save_file_header; tools/xl/xl_vmcontrol.c create_domain
 */
export function* readXlHeader(cursor: Cursor, magic: Uint8Array): Steps<XlHeaderEvent> {
  cursor.enterLayer("xl");
  const offset = cursor.offset - magic.length;
  const rest = yield* cursor.exactly(XL_HEADER_BYTES - magic.length);
  const fieldsAt = FIELDS_OFFSET - magic.length;
  if (Buffer.from(rest.subarray(0, fieldsAt)).toString("latin1") !== XL_MAGIC.slice(magic.length)) {
    throw new MigrationError("STREAM_NOT_AN_IMAGE", { offset });
  }
  const view = viewOf(rest.subarray(fieldsAt));
  const byteOrder = readByteOrder(view, offset);
  if (byteOrder === "big") {
    const facts = { offset: offset + FIELDS_OFFSET, layer: "xl" };
    yield* cursor.refuse(new MigrationError("STREAM_BIG_ENDIAN", facts));
  }
  const isLittle = byteOrder === "little";
  const mandatoryFlags = view.getUint32(4, isLittle);
  const optionalFlags = view.getUint32(8, isLittle);
  const optionalBytes = view.getUint32(12, isLittle);
  if (optionalBytes > XL_OPTIONAL_DATA_BYTES_MAX) {
    const facts = { offset: offset + 44, layer: "xl", optionalBytes };
    throw new MigrationError("STREAM_XL_OPTIONAL_DATA", facts);
  }
  const optionalData = (yield* cursor.exactly(optionalBytes)).slice();
  const config = configOf(optionalData, byteOrder);
  const header = { byteOrder, mandatoryFlags, optionalFlags, optionalData, config };
  yield* refuseFaults(cursor, offset, header);
  return { kind: "xl-header", offset, header };
}

function readByteOrder(view: DataView, offset: number): ByteOrder {
  const value = view.getUint32(0, true);
  if (value === XL_BYTE_ORDER) {
    return "little";
  }
  if (view.getUint32(0, false) === XL_BYTE_ORDER) {
    return "big";
  }
  throw new MigrationError("STREAM_XL_BYTE_ORDER", { offset: offset + 32, layer: "xl", value });
}

function* refuseFaults(cursor: Cursor, offset: number, header: XlHeader): Steps<void> {
  const { mandatoryFlags, optionalData, config } = header;
  if ((mandatoryFlags & XL_MANDATORY_UNKNOWN_MASK) !== 0) {
    const facts = { offset: offset + 36, layer: "xl", mandatoryFlags };
    yield* cursor.refuse(new MigrationError("STREAM_XL_FLAGS", facts));
  }
  if (optionalData.length > 0 && config === undefined) {
    const facts = { offset: offset + 48, layer: "xl", optionalBytes: optionalData.length };
    yield* cursor.refuse(new MigrationError("STREAM_XL_OPTIONAL_DATA", facts));
  }
}

/** The configuration without its length; what may follow it is for a later xl. */
function configOf(optionalData: Uint8Array, byteOrder: ByteOrder): Uint8Array | undefined {
  if (optionalData.length < XL_CONFIG_HEAD_BYTES) {
    return undefined;
  }
  const configBytes = viewOf(optionalData).getUint32(0, byteOrder === "little");
  const configEnd = XL_CONFIG_HEAD_BYTES + configBytes;
  return configEnd > optionalData.length
    ? undefined
    : optionalData.subarray(XL_CONFIG_HEAD_BYTES, configEnd);
}

/**
 * The text of a configuration: UTF-8 up to its final NUL.
 *
 * @param config as in {@link XlHeader}.
 */
export function xlConfigText(config: Uint8Array): string {
  const end = config.indexOf(0);
  return new TextDecoder().decode(end === -1 ? config : config.subarray(0, end));
}
