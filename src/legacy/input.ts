import type { ErrorCode, ErrorFacts, MigrationError } from "../base/errors.ts";
import { LITTLE_ENDIAN } from "../base/units.ts";
import { type Cursor, type Reading, viewOf } from "../codec/steps.ts";
import { LEGACY_WORD_BYTES, type LegacyWidth } from "../format/legacy.ts";

/** Octets that are skipped at a time. */
const SKIP_BYTES = 64 * 1024;

/** Reads the fields of a legacy stream: little-endian, words of the toolstack's width. */
export class LegacyInput {
  readonly cursor: Cursor;
  readonly width: LegacyWidth;
  /** Octets of a word. */
  readonly wordBytes: 4 | 8;

  constructor(cursor: Cursor, width: LegacyWidth) {
    this.cursor = cursor;
    this.width = width;
    this.wordBytes = LEGACY_WORD_BYTES[width];
  }

  /** Says what is read from here on, for errors. */
  enter(part: string): void {
    this.cursor.enterRecord(part, this.cursor.offset);
  }

  /** An error about the part being read. */
  error(code: ErrorCode, facts: ErrorFacts = {}): MigrationError {
    return this.cursor.error(code, facts);
  }

  /** Octets in memory of their own. The caller has checked the length. */
  *copy(byteCount: number): Reading<Uint8Array> {
    return (yield* this.cursor.exactly(byteCount)).slice();
  }

  /** Fields of fixed size; the view is valid until the next step. */
  *view(byteCount: number): Reading<DataView> {
    return viewOf(yield* this.cursor.exactly(byteCount));
  }

  *i32(): Reading<number> {
    return (yield* this.view(4)).getInt32(0, LITTLE_ENDIAN);
  }

  *u32(): Reading<number> {
    return (yield* this.view(4)).getUint32(0, LITTLE_ENDIAN);
  }

  *u64(): Reading<bigint> {
    return (yield* this.view(8)).getBigUint64(0, LITTLE_ENDIAN);
  }

  *word(): Reading<bigint> {
    return this.width === 64 ? yield* this.u64() : BigInt(yield* this.u32());
  }

  /** A length that may be at most `bytesMax`. @throws MigrationError LEGACY_LENGTH */
  checkLength(bytes: number | bigint, bytesMax: number): number {
    if (bytes > bytesMax) {
      throw this.error("LEGACY_LENGTH", { bytes, bytesMax });
    }
    return Number(bytes);
  }

  /** Passes over octets that say nothing. */
  *skip(byteCount: number): Reading<void> {
    for (let rest = byteCount; rest > 0; rest -= SKIP_BYTES) {
      yield* this.cursor.exactly(Math.min(rest, SKIP_BYTES));
    }
  }
}
