import {
  isOptionalRecord,
  PAGE_DATA_HEAD_BYTES,
  PFN_WORD_BYTES,
  paddedBytes,
} from "../format/libxc.ts";
import type { PageDataEvent, RecordEvent } from "./events.ts";
import { recordName } from "./record.ts";

/** A record as a reader would find it, but for its offset. It is little-endian unless said. */
export type RecordDraft = Pick<RecordEvent, "layer" | "type" | "body"> &
  Partial<Pick<RecordEvent, "byteOrder">>;

/** What a PAGE_DATA is made of. It is little-endian unless said. */
export type PageDataDraft = Pick<PageDataEvent, "pfns" | "types" | "pages"> &
  Partial<Pick<PageDataEvent, "byteOrder">>;

/** The event of a record that was not read but made. */
export function madeRecord(draft: RecordDraft, offset: number): RecordEvent {
  const { layer, type, body, byteOrder = "little" } = draft;
  return {
    kind: "record",
    layer,
    offset,
    type,
    name: recordName(layer, type),
    isOptional: isOptionalRecord(type),
    isInferred: false,
    byteOrder,
    body,
    padding: new Uint8Array(paddedBytes(body.length) - body.length),
  };
}

/** The event of a PAGE_DATA that was not read but made; the body in one piece is not there. */
export function madePageData(draft: PageDataDraft, offset: number): PageDataEvent {
  const { pfns, types, pages, byteOrder = "little" } = draft;
  return {
    kind: "page-data",
    layer: "libxc",
    offset,
    byteOrder,
    bodyBytes: PAGE_DATA_HEAD_BYTES + pfns.length * PFN_WORD_BYTES + pages.length,
    pfns,
    types,
    pages,
    pagesOffset: offset,
    reserved: 0,
    reservedWordIndex: undefined,
    body: new Uint8Array(0),
  };
}
