import { MigrationError } from "../base/errors.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import { isOptionalRecord, LIBXC_RECORD } from "../format/libxc.ts";
import {
  CHECKPOINT_STATE_BYTES_MAX,
  CHECKPOINT_STATE_BYTES_MIN,
  LIBXL_HEADER_BYTES,
  LIBXL_IDENT,
  LIBXL_OPT_BIG_ENDIAN_MASK,
  LIBXL_OPT_LEGACY_MASK,
  LIBXL_RECORD,
  LIBXL_VERSION,
} from "../format/libxl.ts";
import type { RecordEvent } from "./events.ts";
import { LibxcReader } from "./libxc-reader.ts";
import {
  checkRecordHeader,
  type RecordHeader,
  readRecordBody,
  readRecordHeader,
} from "./record.ts";
import { type ByteOrder, type Cursor, IDENT_BYTES, type Steps, viewOf } from "./steps.ts";

/**
 * Reads one libxl stream and the libxc stream inside it.
 *
 * Who reads which record:
 *
 *   libxl  records             LIBXC_CONTEXT -> libxc headers and records; END -> done
 *   libxc  records             END -> libxl; CHECKPOINT -> libxl, in a checkpoint
 *   libxl  in a checkpoint     CHECKPOINT_END -> after a checkpoint
 *   after a checkpoint         a CHECKPOINT_STATE (HVM only) -> the same again; else libxc records
 *
 * @source libxl-migration-stream.pandoc; libxl_stream_read.c; README.colo
 */
export class LibxlReader {
  readonly #cursor: Cursor;
  readonly #codec: PageDataHeadCodec;
  #byteOrder: ByteOrder = "little";

  constructor(cursor: Cursor, codec: PageDataHeadCodec) {
    this.#cursor = cursor;
    this.#codec = codec;
  }

  /**
   * Reads the header.
   *
   * @param ident the first eight octets; kept by the caller.
   * @throws MigrationError STREAM_IDENT, STREAM_VERSION; when restoring also STREAM_BIG_ENDIAN
   */
  *header(ident: Uint8Array): Steps<void> {
    const cursor = this.#cursor;
    cursor.enterLayer("libxl");
    const offset = cursor.offset - ident.length;
    if (viewOf(ident).getBigUint64(0) !== LIBXL_IDENT) {
      throw new MigrationError("STREAM_IDENT", { offset, layer: "libxl", field: "ident" });
    }
    const view = viewOf(yield* cursor.exactly(LIBXL_HEADER_BYTES - ident.length));
    const version = view.getUint32(0);
    if (version !== LIBXL_VERSION) {
      throw new MigrationError("STREAM_VERSION", { offset: offset + 8, layer: "libxl", version });
    }
    const options = view.getUint32(4);
    this.#byteOrder = (options & LIBXL_OPT_BIG_ENDIAN_MASK) === 0 ? "little" : "big";
    if (this.#byteOrder === "big") {
      const facts = { offset: offset + 12, layer: "libxl" };
      yield* cursor.refuse(new MigrationError("STREAM_BIG_ENDIAN", facts));
    }
    const isConverted = (options & LIBXL_OPT_LEGACY_MASK) !== 0;
    const header = { version, options, byteOrder: this.#byteOrder, isConverted };
    yield { kind: "libxl-header", offset, header };
  }

  /** Reads records up to END. @throws MigrationError as {@link LibxcReader} */
  *records(): Steps<void> {
    const cursor = this.#cursor;
    let libxc: LibxcReader | undefined;
    for (;;) {
      const header = yield* readRecordHeader(cursor, "libxl", this.#byteOrder);
      const record = yield* this.#record(header);
      if (record.type === LIBXL_RECORD.END) {
        return;
      }
      if (record.type === LIBXL_RECORD.LIBXC_CONTEXT) {
        libxc = yield* this.#openLibxc();
        libxc = yield* this.#runLibxc(libxc, undefined);
      } else if (record.type === LIBXL_RECORD.CHECKPOINT_END && libxc !== undefined) {
        const first = yield* this.#afterCheckpoint(libxc);
        libxc = yield* this.#runLibxc(libxc, first);
      }
    }
  }

  *#record(header: RecordHeader): Steps<RecordEvent> {
    const record = yield* readRecordBody(this.#cursor, "libxl", this.#byteOrder, header);
    if (record.name === undefined && !isOptionalRecord(record.type)) {
      yield* this.#cursor.refuse(this.#cursor.error("RECORD_UNKNOWN", { type: record.type }));
    }
    yield record;
    return record;
  }

  *#openLibxc(): Steps<LibxcReader> {
    const cursor = this.#cursor;
    cursor.enterLayer("libxc");
    yield { kind: "layer", layer: "libxc", offset: cursor.offset };
    const marker = (yield* cursor.exactly(IDENT_BYTES)).slice();
    const libxc = new LibxcReader(cursor, this.#codec);
    yield* libxc.headers(marker);
    return libxc;
  }

  /** Returns the reader again where it stopped at a checkpoint; `undefined` at its end. */
  *#runLibxc(libxc: LibxcReader, first: RecordHeader | undefined): Steps<LibxcReader | undefined> {
    const outcome = yield* libxc.records(first);
    this.#cursor.enterLayer("libxl");
    yield { kind: "layer", layer: "libxl", offset: this.#cursor.offset };
    return outcome === "checkpoint" ? libxc : undefined;
  }

  /**
   * Reads what libxl still takes after CHECKPOINT_END, and the header of libxc's next record.
   *
   * Remus goes on with libxc. COLO waits for a CHECKPOINT_STATE first, whose type is that of
   * libxc's X86_PV_VCPU_EXTENDED: a record that an HVM guest, the only kind COLO has, cannot have.
   *
   * @inferred neither spec tells the two apart.
   */
  *#afterCheckpoint(libxc: LibxcReader): Steps<RecordHeader> {
    const cursor = this.#cursor;
    for (;;) {
      cursor.enterLayer("libxc");
      const header = yield* readRecordHeader(cursor, "libxc", libxc.byteOrder);
      if (!isCheckpointState(libxc, header)) {
        yield { kind: "layer", layer: "libxc", offset: header.offset };
        return header;
      }
      cursor.enterLayer("libxl");
      checkRecordHeader(cursor, "libxl", header);
      yield* this.#record(header);
    }
  }
}

function isCheckpointState(libxc: LibxcReader, header: RecordHeader): boolean {
  const { type, bodyBytes } = header;
  return (
    libxc.isHvm &&
    type === LIBXL_RECORD.CHECKPOINT_STATE &&
    type === LIBXC_RECORD.X86_PV_VCPU_EXTENDED &&
    bodyBytes >= CHECKPOINT_STATE_BYTES_MIN &&
    bodyBytes <= CHECKPOINT_STATE_BYTES_MAX
  );
}
