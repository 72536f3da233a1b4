import { assert } from "../base/assert.ts";
import { type ErrorCode, type ErrorFacts, MigrationError } from "../base/errors.ts";
import type { StreamEvent, XlHeaderEvent } from "./events.ts";

/** Byte order of what follows a header. */
export type ByteOrder = "little" | "big";

/** The three formats that nest: xl's file, libxl's stream, libxc's stream. */
export type Layer = "xl" | "libxl" | "libxc";

/** What a reader waits for: exactly `byteCount` octets, or between one and that many. */
export interface Need {
  readonly kind: "need";
  readonly amount: "all" | "some";
  readonly byteCount: number;
}

/**
 * A request to the driver to take PAGE_DATA records from the source itself: the one whose header
 * was read, and all that follow it, packed or not. Only with {@link ReaderOptions.handsOverPages}.
 */
export interface PagesHandOver {
  readonly kind: "pages-hand-over";
  /** Where the record's header starts. */
  readonly offset: number;
  readonly type: number;
  readonly bodyBytes: number;
  readonly byteOrder: ByteOrder;
}

/** The answer to a {@link PagesHandOver}: what was taken, and the header read behind it. */
export interface PagesTaken {
  readonly records: number;
  /** Page entries of all records, and those of them with data. */
  readonly entries: number;
  readonly dataPages: number;
  /** Octets from the first record's header to the last one's end. */
  readonly bytes: number;
  readonly nextType: number;
  readonly nextBodyBytes: number;
}

/**
 * What is handed to the driver instead of being read: a stream of Xen before 4.6. Only with
 * {@link ReaderOptions.handsOverLegacy}; the driver reads it to its end, and this reader is done.
 */
export interface LegacyHandOver {
  readonly kind: "legacy-hand-over";
  /** Goes on counting octets. */
  readonly cursor: Cursor;
  /** xl's header before the stream; `undefined` without one. */
  readonly xl: XlHeaderEvent | undefined;
  /** The stream's first {@link IDENT_BYTES}, which were read. */
  readonly ident: Uint8Array;
}

/** Octets that tell the formats apart. */
export const IDENT_BYTES = 8;

/** The answer to a {@link Need} that cannot be met: only so many octets were left. */
export interface EndOfInput {
  readonly availableBytes: number;
}

/** What a driver answers. */
export type Answer = Uint8Array | EndOfInput | PagesTaken | undefined;

/** The part of a reader that only waits for octets. */
export type Reading<Result> = Generator<Need, Result, Answer>;

/**
 * A reader as a generator without I/O: yields what it needs and what it found.
 *
 * The driver answers a {@link Need} with a view that it keeps valid until the next step, or with
 * {@link EndOfInput}; it answers an event with `undefined`.
 */
export type Steps<Result> = Generator<
  Need | PagesHandOver | LegacyHandOver | StreamEvent,
  Result,
  Answer
>;

/** What a reader is asked to be. */
export interface ReaderOptions {
  /**
   * `restore` (default) throws at what Xen's restore refuses and the reader could survive:
   * big-endian streams, unknown mandatory records, damaged page data. `inspect` yields a fault
   * event for each and reads on.
   */
  readonly purpose?: "restore" | "inspect";
  /**
   * After the outermost END: `stop` (default) asks for nothing more, so that a hand-shake can
   * follow in the same pipe; `read` reports what follows as trailing events.
   */
  readonly afterEnd?: "stop" | "read";
  /**
   * Whether the driver can take PAGE_DATA records off the reader; then a run of them is one event.
   * With purpose `restore` packed ones too, and of those that follow VERIFY none without
   * {@link handsOverVerifiedPages}.
   */
  readonly handsOverPages?: boolean;
  /** Whether that driver can also compare pages with those that came before. */
  readonly handsOverVerifiedPages?: boolean;
  /**
   * Whether the driver can read a stream of Xen before 4.6, once it is recognised; else such a
   * stream is refused. `always`: what has no header of its own is taken for one.
   */
  readonly handsOverLegacy?: "recognised" | "always";
  /** The outermost format, where it is known; else the first octets say. */
  readonly format?: Layer;
}

/** Where a reader is: counts octets from the stream's start and knows the record around them. */
export class Cursor {
  readonly purpose: "restore" | "inspect";
  readonly handsOverPages: boolean;
  readonly handsOverVerifiedPages: boolean;
  /** Octets read so far. */
  offset = 0;
  layer: Layer | undefined;
  /** Name of the record being read, for errors. */
  record: string | undefined;
  /** Where that record's header starts. */
  recordOffset: number | undefined;

  constructor(options: ReaderOptions) {
    this.purpose = options.purpose ?? "restore";
    this.handsOverPages = options.handsOverPages === true;
    this.handsOverVerifiedPages =
      this.handsOverPages &&
      (this.purpose === "inspect" || options.handsOverVerifiedPages === true);
  }

  /** Reads exactly `byteCount` octets; the view is valid until the next step. */
  *exactly(byteCount: number): Reading<Uint8Array> {
    const bytes = yield { kind: "need", amount: "all", byteCount };
    assert(bytes !== undefined, "a need is answered with octets or with the end");
    if (bytes instanceof Uint8Array) {
      this.offset += byteCount;
      return bytes;
    }
    assert("availableBytes" in bytes, "a need is not answered with pages");
    throw this.#truncated(this.offset + bytes.availableBytes);
  }

  /** Has the driver take PAGE_DATA records; `undefined` if it declines. */
  *handOverPages(first: PagesHandOver): Steps<PagesTaken | undefined> {
    const taken = yield first;
    assert(taken === undefined || "records" in taken, "pages are answered with what was taken");
    return taken;
  }

  /** Reads from one to `byteCountMax` octets; `undefined` at the end. */
  *some(byteCountMax: number): Reading<Uint8Array | undefined> {
    const bytes = yield { kind: "need", amount: "some", byteCount: byteCountMax };
    if (!(bytes instanceof Uint8Array)) {
      return undefined;
    }
    this.offset += bytes.length;
    return bytes;
  }

  /** Says that nothing but headers is being read in `layer`. */
  enterLayer(layer: Layer): void {
    this.layer = layer;
    this.enterRecord(undefined, undefined);
  }

  /** Says which record is being read. */
  enterRecord(record: string | undefined, recordOffset: number | undefined): void {
    this.record = record;
    this.recordOffset = recordOffset;
  }

  /** Throws `error`, or yields it as a fault where the purpose is to inspect. */
  *refuse(error: MigrationError): Steps<void> {
    if (this.purpose === "restore") {
      throw error;
    }
    yield { kind: "fault", error };
  }

  /** An error about the record being read, or about the octets at `offset` outside records. */
  error(code: ErrorCode, facts: ErrorFacts = {}): MigrationError {
    const { layer, record } = this;
    const offset = this.recordOffset ?? this.offset;
    return new MigrationError(code, { offset, layer, record, ...facts });
  }

  #truncated(offset: number): MigrationError {
    const { layer, record, recordOffset } = this;
    return new MigrationError("STREAM_TRUNCATED", { offset, layer, record, recordOffset });
  }
}

/** A `DataView` over exactly the octets of `bytes`. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
