import { MigrationError } from "../base/errors.ts";
import { LITTLE_ENDIAN } from "../base/units.ts";
import { type Cursor, IDENT_BYTES, type Reading, viewOf } from "../codec/steps.ts";
import { LEGACY_PFN_COUNT_MAX, XEND_CONFIG_BYTES_MAX, XEND_MAGIC } from "../format/legacy.ts";
import type { LegacyGuest, LegacyHead } from "./events.ts";
import { LegacyInput } from "./input.ts";

/** What the caller says that a stream is; what it is not said to be is found out. */
export interface LegacyExpectation {
  readonly width?: 32 | 64 | undefined;
  readonly guest?: LegacyGuest | undefined;
}

/** A stream's head, and the first chunk's id, which was read to tell HVM from PV. */
export interface LegacyBeginning {
  readonly head: LegacyHead;
  readonly input: LegacyInput;
  /** Where the chunk starts; `undefined` for PV guests, whose extended info comes first. */
  readonly firstChunk: { readonly id: number; readonly offset: number } | undefined;
}

/** The word that a PV guest's extended info starts with: all ones. */
const MARKER_HALF = -1;

/**
 * Reads the number of frames, and finds out who wrote the stream.
 *
 * A 64-bit toolstack leaves octets 4 to 7 zero, a 32-bit one cannot; after the number of frames
 * only a PV guest's stream has a word of ones.
 *
 * @param ident the stream's first eight octets, which were read; kept by the caller.
 * @throws MigrationError LEGACY_WIDTH, LEGACY_GUEST_TYPE, LEGACY_P2M_SIZE, LEGACY_LENGTH,
 *   LEGACY_NOT
 * @source libxc-migration-stream.pandoc, "Legacy Images"; xc_domain_restore.c
 */
export function* readLegacyHead(
  cursor: Cursor,
  ident: Uint8Array,
  expected: LegacyExpectation,
): Reading<LegacyBeginning> {
  cursor.layer = undefined;
  const isFromXend = startsXend(ident);
  const first = isFromXend ? yield* passXendHeader(cursor) : ident;
  const offset = cursor.offset - IDENT_BYTES;
  cursor.enterRecord("p2m_size", offset);
  const view = viewOf(first);
  const pfnCount = view.getUint32(0, LITTLE_ENDIAN);
  const next = view.getInt32(4, LITTLE_ENDIAN);
  const width = next === 0 ? 64 : 32;
  if (expected.width !== undefined && expected.width !== width) {
    throw cursor.error("LEGACY_WIDTH", { width, expectedWidth: expected.width });
  }
  if (pfnCount === 0 || pfnCount > LEGACY_PFN_COUNT_MAX) {
    throw cursor.error("LEGACY_P2M_SIZE", { pfnCount, pfnCountMax: LEGACY_PFN_COUNT_MAX });
  }
  const input = new LegacyInput(cursor, width);
  const word = width === 64 ? yield* input.i32() : next;
  const guest = word === MARKER_HALF ? "pv" : "hvm";
  if (expected.guest !== undefined && expected.guest !== guest) {
    throw cursor.error("LEGACY_GUEST_TYPE", { guest, expectedGuest: expected.guest });
  }
  if (guest === "pv" && width === 64 && (yield* input.i32()) !== MARKER_HALF) {
    throw cursor.error("LEGACY_EXTENDED_INFO", { problem: "its mark is not all ones" });
  }
  const firstChunk = guest === "pv" ? undefined : { id: word, offset: cursor.offset - 4 };
  return { head: { width, guest, pfnCount, isFromXend }, input, firstChunk };
}

function startsXend(ident: Uint8Array): boolean {
  return Buffer.from(ident).toString("latin1") === XEND_MAGIC.slice(0, IDENT_BYTES);
}

/**
 * Passes over what xend wrote before libxc's stream: the rest of its magic, and its configuration.
 *
 * @returns the first octets of the stream.
 * @source tools/python/xen/xend/XendCheckpoint.py save
 */
function* passXendHeader(cursor: Cursor): Reading<Uint8Array> {
  cursor.enterRecord("xend header", cursor.offset - IDENT_BYTES);
  const rest = Buffer.from(yield* cursor.exactly(XEND_MAGIC.length - IDENT_BYTES));
  if (rest.toString("latin1") !== XEND_MAGIC.slice(IDENT_BYTES)) {
    throw new MigrationError("LEGACY_NOT", { offset: 0 });
  }
  const input = new LegacyInput(cursor, 64);
  const configBytes = (yield* input.view(4)).getUint32(0);
  yield* input.skip(input.checkLength(configBytes, XEND_CONFIG_BYTES_MAX));
  return yield* input.copy(IDENT_BYTES);
}
