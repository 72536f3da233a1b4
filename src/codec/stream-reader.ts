import { MigrationError } from "../base/errors.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import { IMAGE_MARKER } from "../format/libxc.ts";
import { LIBXL_IDENT } from "../format/libxl.ts";
import { XL_MAGIC } from "../format/xl.ts";
import { LibxcReader } from "./libxc-reader.ts";
import { LibxlReader } from "./libxl-reader.ts";
import { Cursor, type Layer, type ReaderOptions, type Steps, viewOf } from "./steps.ts";
import { readXlHeader } from "./xl-reader.ts";

/** Octets that tell the formats apart. */
const IDENT_BYTES = 8;

/** Octets of a trailing event, at most. */
const TRAILING_BYTES_MAX = 64 * 1024;

/** First eight octets of xl's magic, as a number. */
const XL_IDENT = viewOf(new TextEncoder().encode(XL_MAGIC)).getBigUint64(0);

/**
 * Reads a stream of any of the three formats, whichever its first eight octets say.
 *
 * Use {@link pullEvents} or {@link PushReader} to drive it.
 *
 * @throws MigrationError STREAM_*, RECORD_*, PAGE_DATA_*, with `offset` in octets from the start.
 */
export function* readStream(codec: PageDataHeadCodec, options: ReaderOptions = {}): Steps<void> {
  const cursor = new Cursor(options);
  const ident = (yield* cursor.exactly(IDENT_BYTES)).slice();
  const outermost = detectLayer(ident);
  if (options.format !== undefined && options.format !== outermost) {
    const facts = { offset: 0, format: outermost, formatExpected: options.format };
    throw new MigrationError("STREAM_NOT_AN_IMAGE", facts);
  }
  switch (outermost) {
    case "xl": {
      yield* readXlHeader(cursor, ident);
      cursor.enterLayer("libxl");
      const libxlIdent = (yield* cursor.exactly(IDENT_BYTES)).slice();
      yield* readLibxl(cursor, codec, libxlIdent);
      break;
    }
    case "libxl":
      yield* readLibxl(cursor, codec, ident);
      break;
    case "libxc":
      yield* readLibxc(cursor, codec, ident);
      break;
  }
  cursor.enterLayer(outermost);
  yield { kind: "end", offset: cursor.offset };
  if (options.afterEnd === "read") {
    yield* readTrailing(cursor);
  }
}

/**
 * Says which format starts with `ident`, eight octets.
 *
 * @throws MigrationError STREAM_NOT_AN_IMAGE
 */
export function detectLayer(ident: Uint8Array): Layer {
  const value = viewOf(ident).getBigUint64(0);
  if (value === XL_IDENT) {
    return "xl";
  }
  if (value === LIBXL_IDENT) {
    return "libxl";
  }
  if (value === IMAGE_MARKER) {
    return "libxc";
  }
  throw new MigrationError("STREAM_NOT_AN_IMAGE", { offset: 0 });
}

function* readLibxl(cursor: Cursor, codec: PageDataHeadCodec, ident: Uint8Array): Steps<void> {
  const libxl = new LibxlReader(cursor, codec);
  yield* libxl.header(ident);
  yield* libxl.records();
}

/** Without a layer around it, libxc goes on by itself after a CHECKPOINT. */
function* readLibxc(cursor: Cursor, codec: PageDataHeadCodec, marker: Uint8Array): Steps<void> {
  const libxc = new LibxcReader(cursor, codec);
  yield* libxc.headers(marker);
  while ((yield* libxc.records()) === "checkpoint");
}

function* readTrailing(cursor: Cursor): Steps<void> {
  for (;;) {
    const { offset } = cursor;
    const bytes = yield* cursor.some(TRAILING_BYTES_MAX);
    if (bytes === undefined) {
      return;
    }
    yield { kind: "trailing", offset, bytes };
  }
}
