import { assert } from "../base/assert.ts";
import { type ErrorCode, type ErrorFacts, MigrationError } from "../base/errors.ts";
import type { StreamEvent } from "./events.ts";

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

/** The answer to a {@link Need} that cannot be met: only so many octets were left. */
export interface EndOfInput {
  readonly availableBytes: number;
}

/**
 * A reader as a generator without I/O: yields what it needs and what it found.
 *
 * The driver answers a {@link Need} with a view that it keeps valid until the next step, or with
 * {@link EndOfInput}; it answers an event with `undefined`.
 */
export type Steps<Result> = Generator<
  Need | StreamEvent,
  Result,
  Uint8Array | EndOfInput | undefined
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
}

/** Where a reader is: counts octets from the stream's start and knows the record around them. */
export class Cursor {
  readonly purpose: "restore" | "inspect";
  /** Octets read so far. */
  offset = 0;
  layer: Layer | undefined;
  /** Name of the record being read, for errors. */
  record: string | undefined;
  /** Where that record's header starts. */
  recordOffset: number | undefined;

  constructor(purpose: "restore" | "inspect") {
    this.purpose = purpose;
  }

  /** Reads exactly `byteCount` octets; the view is valid until the next step. */
  *exactly(byteCount: number): Steps<Uint8Array> {
    const bytes = yield { kind: "need", amount: "all", byteCount };
    assert(bytes !== undefined, "a need is answered with octets or with the end");
    if (!(bytes instanceof Uint8Array)) {
      throw this.#truncated(this.offset + bytes.availableBytes);
    }
    this.offset += byteCount;
    return bytes;
  }

  /** Reads from one to `byteCountMax` octets; `undefined` at the end. */
  *some(byteCountMax: number): Steps<Uint8Array | undefined> {
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
