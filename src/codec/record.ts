import {
  isOptionalRecord,
  libxcRecordName,
  paddedBytes,
  RECORD_BYTES_MAX,
  RECORD_HEADER_BYTES,
} from "../format/libxc.ts";
import { libxlRecordName } from "../format/libxl.ts";
import { ownRecordName } from "../format/page-alignment.ts";
import type { RecordEvent } from "./events.ts";
import { type ByteOrder, type Cursor, type Steps, viewOf } from "./steps.ts";

/** Type and length of a record, and where its header starts. */
export interface RecordHeader {
  readonly offset: number;
  readonly type: number;
  readonly bodyBytes: number;
}

/** Name of a record for errors: the spec's, or its number. */
export function recordLabel(layer: "libxl" | "libxc", type: number): string {
  return recordName(layer, type) ?? `0x${type.toString(16)}`;
}

/** Name of a record type of `layer`, of a spec or our own; `undefined` for types without one. */
export function recordName(layer: "libxl" | "libxc", type: number): string | undefined {
  return layer === "libxl" ? libxlRecordName(type) : (libxcRecordName(type) ?? ownRecordName(type));
}

/**
 * Reads a record's header; both layers share the form.
 *
 * @throws MigrationError RECORD_TOO_LONG before anything of the body is asked for.
 * @source libxc-migration-stream.pandoc, "Records"; the limit is REC_LENGTH_MAX
 *   @inferred the same limit for libxl's records, for which Xen has none.
 */
export function* readRecordHeader(
  cursor: Cursor,
  layer: "libxl" | "libxc",
  byteOrder: ByteOrder,
): Steps<RecordHeader> {
  const { offset } = cursor;
  cursor.enterRecord("header", offset);
  const view = viewOf(yield* cursor.exactly(RECORD_HEADER_BYTES));
  const isLittle = byteOrder === "little";
  const header = {
    offset,
    type: view.getUint32(0, isLittle),
    bodyBytes: view.getUint32(4, isLittle),
  };
  checkRecordHeader(cursor, layer, header);
  return header;
}

/** Enters the record of a header that was read already. @throws as {@link readRecordHeader} */
export function checkRecordHeader(
  cursor: Cursor,
  layer: "libxl" | "libxc",
  header: RecordHeader,
): void {
  const { type, bodyBytes } = header;
  cursor.enterRecord(recordLabel(layer, type), header.offset);
  if (bodyBytes > RECORD_BYTES_MAX) {
    throw cursor.error("RECORD_TOO_LONG", { bodyBytes, bodyBytesMax: RECORD_BYTES_MAX });
  }
}

/** Reads body and padding of the record that `header` starts. */
export function* readRecordBody(
  cursor: Cursor,
  layer: "libxl" | "libxc",
  byteOrder: ByteOrder,
  header: RecordHeader,
): Steps<RecordEvent> {
  const { offset, type, bodyBytes } = header;
  const padded = yield* cursor.exactly(paddedBytes(bodyBytes));
  return {
    kind: "record",
    layer,
    offset,
    type,
    name: recordName(layer, type),
    isOptional: isOptionalRecord(type),
    isInferred: false,
    byteOrder,
    body: padded.subarray(0, bodyBytes),
    padding: padded.subarray(bodyBytes),
  };
}

/** A record to write. `byteOrder` is little, and `padding` zero, unless said otherwise. */
export interface RecordParts {
  readonly type: number;
  readonly body: Uint8Array;
  readonly byteOrder?: ByteOrder;
  readonly padding?: Uint8Array;
}

/**
 * Encodes a record: header, body, padding.
 *
 * @returns chunks in order, of which the body is `record.body` itself.
 * @throws RangeError a body longer than any reader takes, which is the caller's mistake.
 */
export function encodeRecord(record: RecordParts): readonly Uint8Array[] {
  const { type, body } = record;
  if (body.length > RECORD_BYTES_MAX) {
    throw new RangeError(`a record's body is limited to ${RECORD_BYTES_MAX} octets`);
  }
  const isLittle = record.byteOrder !== "big";
  const header = new Uint8Array(RECORD_HEADER_BYTES);
  const view = viewOf(header);
  view.setUint32(0, type, isLittle);
  view.setUint32(4, body.length, isLittle);
  if (body.length === 0) {
    return [header];
  }
  const padding = record.padding ?? new Uint8Array(paddedBytes(body.length) - body.length);
  return padding.length === 0 ? [header, body] : [header, body, padding];
}
