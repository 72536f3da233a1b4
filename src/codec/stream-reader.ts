import { MigrationError } from "../base/errors.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import { LITTLE_ENDIAN } from "../base/units.ts";
import {
  LEGACY_BATCH_PAGES_MAX,
  LEGACY_CHUNK,
  LEGACY_PFN_COUNT_MAX,
  XEND_MAGIC,
} from "../format/legacy.ts";
import { IMAGE_MARKER } from "../format/libxc.ts";
import { LIBXL_IDENT } from "../format/libxl.ts";
import { XL_MAGIC, XL_MANDATORY_STREAM_V2_MASK } from "../format/xl.ts";
import type { XlHeaderEvent } from "./events.ts";
import { LibxcReader } from "./libxc-reader.ts";
import { LibxlReader } from "./libxl-reader.ts";
import {
  Cursor,
  IDENT_BYTES,
  type Layer,
  type ReaderOptions,
  type Steps,
  viewOf,
} from "./steps.ts";
import { readXlHeader } from "./xl-reader.ts";

/** Octets of a trailing event, at most. */
const TRAILING_BYTES_MAX = 64 * 1024;

/** First eight octets of xl's magic, as a number. */
const XL_IDENT = viewOf(new TextEncoder().encode(XL_MAGIC)).getBigUint64(0);

/** Where xl's header has its mandatory flags. */
const XL_FLAGS_OFFSET = 36;

/** First eight octets of what xend saved. */
const XEND_IDENT = viewOf(new TextEncoder().encode(XEND_MAGIC)).getBigUint64(0);

/**
 * Reads a stream of any of the three formats, whichever its first eight octets say.
 *
 * Use {@link pullEvents} or {@link PushReader} to drive it.
 *
 * @throws MigrationError STREAM_*, RECORD_*, PAGE_DATA_*, with `offset` in octets from the start.
 */
export function* readStream(codec: PageDataHeadCodec, options: ReaderOptions = {}): Steps<void> {
  const cursor = new Cursor(options);
  const outermost = yield* readOutermost(cursor, codec, options);
  if (outermost === "legacy") {
    return;
  }
  cursor.enterLayer(outermost);
  yield { kind: "end", offset: cursor.offset };
  if (options.afterEnd === "read") {
    yield* readTrailing(cursor);
  }
}

function* readOutermost(
  cursor: Cursor,
  codec: PageDataHeadCodec,
  options: ReaderOptions,
): Steps<Layer | "legacy"> {
  const ident = (yield* cursor.exactly(IDENT_BYTES)).slice();
  const outermost = detectLayer(ident);
  checkFormat(outermost, options.format);
  switch (outermost) {
    case "xl":
      return yield* readXl(cursor, codec, { ...options, magic: ident });
    case "libxl":
      yield* readLibxl(cursor, codec, ident);
      return outermost;
    case "libxc":
      yield* readLibxc(cursor, codec, ident);
      return outermost;
    case "legacy":
      yield* handOverLegacy(cursor, { ident, xl: undefined, options });
      return outermost;
    case undefined:
      if (options.handsOverLegacy !== "always") {
        throw new MigrationError("STREAM_NOT_AN_IMAGE", { offset: 0 });
      }
      yield* handOverLegacy(cursor, { ident, xl: undefined, options });
      return "legacy";
  }
}

/** A legacy stream is told apart by whoever takes it, or not. */
function checkFormat(found: ReturnType<typeof detectLayer>, expected: Layer | undefined): void {
  if (expected !== undefined && found !== expected && found !== "legacy") {
    const facts = { ...(found && { format: found }), formatExpected: expected };
    throw new MigrationError("STREAM_NOT_AN_IMAGE", { offset: 0, ...facts });
  }
}

/**
 * Says which format starts with `ident`, eight octets; `undefined` for none that is known.
 */
export function detectLayer(ident: Uint8Array): Layer | "legacy" | undefined {
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
  return value === XEND_IDENT || isLegacyHead(ident) ? "legacy" : undefined;
}

/**
 * Whether a legacy stream may start so: with a number of frames that a guest can have, and in its
 * octets 4 to 7 nothing, a PV guest's marker, the id of a chunk or the size of a batch.
 *
 * @source libxc-migration-stream.pandoc, "Legacy Images"
 */
function isLegacyHead(ident: Uint8Array): boolean {
  const pfnCount = viewOf(ident).getUint32(0, LITTLE_ENDIAN);
  const next = viewOf(ident).getInt32(4, LITTLE_ENDIAN);
  const isNext = next <= LEGACY_BATCH_PAGES_MAX && next >= LEGACY_CHUNK.HVM_X87_FIP_WIDTH;
  return pfnCount > 0 && pfnCount <= LEGACY_PFN_COUNT_MAX && isNext;
}

/** @throws MigrationError STREAM_LEGACY unless such streams are taken */
function* handOverLegacy(
  cursor: Cursor,
  start: {
    readonly ident: Uint8Array;
    readonly xl: XlHeaderEvent | undefined;
    readonly options: ReaderOptions;
  },
): Steps<void> {
  const { ident, xl, options } = start;
  if (options.handsOverLegacy === undefined) {
    throw new MigrationError("STREAM_LEGACY", { offset: cursor.offset - ident.length });
  }
  yield { kind: "legacy-hand-over", cursor, ident, xl };
}

function* readXl(
  cursor: Cursor,
  codec: PageDataHeadCodec,
  options: ReaderOptions & { readonly magic: Uint8Array },
): Steps<Layer | "legacy"> {
  const xl = yield* readXlHeader(cursor, options.magic);
  cursor.enterLayer("libxl");
  const { mandatoryFlags } = xl.header;
  const isLegacy = (mandatoryFlags & XL_MANDATORY_STREAM_V2_MASK) === 0;
  if (!isLegacy || options.handsOverLegacy === undefined) {
    yield xl;
  }
  if (isLegacy && options.handsOverLegacy === undefined) {
    const facts = { offset: XL_FLAGS_OFFSET, layer: "xl", mandatoryFlags };
    throw new MigrationError("STREAM_LEGACY", facts);
  }
  const ident = (yield* cursor.exactly(IDENT_BYTES)).slice();
  if (isLegacy) {
    yield* handOverLegacy(cursor, { ident, xl, options });
    return "legacy";
  }
  yield* readLibxl(cursor, codec, ident);
  return "xl";
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
