import { MigrationError } from "../base/errors.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import {
  DOMAIN_HEADER_BYTES,
  DOMAIN_PAGE_SHIFT,
  GUEST_TYPE,
  IMAGE_HEADER_BYTES,
  IMAGE_ID,
  IMAGE_MARKER,
  IMAGE_OPT_BIG_ENDIAN_MASK,
  IMAGE_VERSION_MAX,
  IMAGE_VERSION_MIN,
  isOptionalRecord,
  LIBXC_RECORD,
  RECORD_HEADER_BYTES,
} from "../format/libxc.ts";
import { OWN_RECORD } from "../format/own.ts";
import type { PageDataEvent, RecordEvent } from "./events.ts";
import { PageDataDecoder } from "./page-data.ts";
import {
  checkRecordHeader,
  type RecordHeader,
  readRecordBody,
  readRecordHeader,
} from "./record.ts";
import { type ByteOrder, type Cursor, type Steps, viewOf } from "./steps.ts";

/**
 * Reads one libxc stream: headers once, then records up to END or CHECKPOINT, again after each
 * CHECKPOINT.
 *
 * @source libxc-migration-stream.pandoc; xg_sr_restore.c
 */
export class LibxcReader {
  readonly #cursor: Cursor;
  readonly #pageData: PageDataDecoder;
  #handsOverPages: boolean;
  #byteOrder: ByteOrder = "little";
  #version = IMAGE_VERSION_MAX;
  #guestType = 0;
  #hasStaticDataEnd = false;

  constructor(cursor: Cursor, codec: PageDataHeadCodec) {
    this.#cursor = cursor;
    this.#pageData = new PageDataDecoder(codec);
    this.#handsOverPages = cursor.handsOverPages;
  }

  /** Of the records. Known after {@link headers}. */
  get byteOrder(): ByteOrder {
    return this.#byteOrder;
  }

  /** As the domain header says. Known after {@link headers}. */
  get isHvm(): boolean {
    return this.#guestType === GUEST_TYPE.X86_HVM;
  }

  /**
   * Reads image header and domain header.
   *
   * @param marker the first eight octets, which tell the formats apart; kept by the caller.
   * @throws MigrationError STREAM_IDENT, STREAM_VERSION, STREAM_PAGE_SHIFT; when restoring also
   *   STREAM_BIG_ENDIAN, STREAM_GUEST_TYPE
   */
  *headers(marker: Uint8Array): Steps<void> {
    const cursor = this.#cursor;
    cursor.enterLayer("libxc");
    const offset = cursor.offset - marker.length;
    if (viewOf(marker).getBigUint64(0) !== IMAGE_MARKER) {
      throw new MigrationError("STREAM_IDENT", { offset, layer: "libxc", field: "marker" });
    }
    const view = viewOf(yield* cursor.exactly(IMAGE_HEADER_BYTES - marker.length));
    if (view.getUint32(0) !== IMAGE_ID) {
      throw new MigrationError("STREAM_IDENT", { offset: offset + 8, layer: "libxc", field: "id" });
    }
    const version = view.getUint32(4);
    if (version < IMAGE_VERSION_MIN || version > IMAGE_VERSION_MAX) {
      throw new MigrationError("STREAM_VERSION", { offset: offset + 12, layer: "libxc", version });
    }
    const options = view.getUint16(8);
    const reserved = [view.getUint16(10), view.getUint32(12)] as const;
    this.#byteOrder = (options & IMAGE_OPT_BIG_ENDIAN_MASK) === 0 ? "little" : "big";
    this.#version = version;
    if (this.#byteOrder === "big") {
      const facts = { offset: offset + 16, layer: "libxc" };
      yield* cursor.refuse(new MigrationError("STREAM_BIG_ENDIAN", facts));
    }
    const header = { version, options, byteOrder: this.#byteOrder, reserved };
    yield { kind: "image-header", offset, header };
    yield* this.#domainHeader();
  }

  *#domainHeader(): Steps<void> {
    const cursor = this.#cursor;
    const { offset } = cursor;
    const view = viewOf(yield* cursor.exactly(DOMAIN_HEADER_BYTES));
    const isLittle = this.#byteOrder === "little";
    const header = {
      guestType: view.getUint32(0, isLittle),
      pageShift: view.getUint16(4, isLittle),
      reserved: view.getUint16(6, isLittle),
      xenMajor: view.getUint32(8, isLittle),
      xenMinor: view.getUint32(12, isLittle),
    };
    const { guestType, pageShift } = header;
    if (pageShift !== DOMAIN_PAGE_SHIFT) {
      throw new MigrationError("STREAM_PAGE_SHIFT", {
        offset: offset + 4,
        layer: "libxc",
        pageShift,
      });
    }
    if (guestType !== GUEST_TYPE.X86_PV && guestType !== GUEST_TYPE.X86_HVM) {
      const facts = { offset, layer: "libxc", guestType };
      yield* cursor.refuse(new MigrationError("STREAM_GUEST_TYPE", facts));
    }
    this.#guestType = guestType;
    yield { kind: "domain-header", offset, byteOrder: this.#byteOrder, header };
  }

  /**
   * Reads records.
   *
   * @param first the header of the first of them where it was read already, to tell the layers
   *   apart after a checkpoint.
   * @returns the record that ended them: after `checkpoint`, call again.
   * @throws MigrationError RECORD_TOO_LONG; when restoring also RECORD_UNKNOWN and PAGE_DATA_*
   */
  *records(first?: RecordHeader): Steps<"end" | "checkpoint"> {
    const cursor = this.#cursor;
    cursor.enterLayer("libxc");
    let header = first;
    for (;;) {
      if (header === undefined) {
        header = yield* readRecordHeader(cursor, "libxc", this.#byteOrder);
      } else {
        checkRecordHeader(cursor, "libxc", header);
      }
      yield* this.#inferStaticDataEnd(header);
      if (this.#handsOverPages && this.#isPageData(header.type)) {
        const next = yield* this.#handOverPages(header);
        if (next !== undefined) {
          header = next;
          continue;
        }
      }
      const record = yield* readRecordBody(cursor, "libxc", this.#byteOrder, header);
      yield* this.#report(record);
      if (record.type === LIBXC_RECORD.END || record.type === LIBXC_RECORD.CHECKPOINT) {
        return record.type === LIBXC_RECORD.END ? "end" : "checkpoint";
      }
      if (record.type === LIBXC_RECORD.VERIFY) {
        this.#handsOverPages = cursor.handsOverVerifiedPages;
      }
      header = undefined;
    }
  }

  /** Lets the driver take a run of PAGE_DATA records; returns the header read behind them. */
  *#handOverPages({ offset, type, bodyBytes }: RecordHeader): Steps<RecordHeader | undefined> {
    const cursor = this.#cursor;
    const kind = "pages-hand-over";
    const byteOrder = this.#byteOrder;
    const taken = yield* cursor.handOverPages({ kind, offset, type, bodyBytes, byteOrder });
    if (taken === undefined) {
      this.#handsOverPages = false;
      return undefined;
    }
    const { records, entries, dataPages, nextType, nextBodyBytes } = taken;
    yield { kind: "pages-taken", layer: "libxc", offset, records, entries, dataPages };
    const next = { offset: offset + taken.bytes, type: nextType, bodyBytes: nextBodyBytes };
    cursor.offset = next.offset + RECORD_HEADER_BYTES;
    return next;
  }

  /** Whether a record can be handed over: PAGE_DATA, and to restore a packed one. */
  #isPageData(type: number): boolean {
    const isPacked = type === OWN_RECORD.PAGE_DATA_ZSTD && this.#cursor.purpose === "restore";
    return type === LIBXC_RECORD.PAGE_DATA || isPacked;
  }

  *#report(record: RecordEvent): Steps<void> {
    if (record.type === LIBXC_RECORD.PAGE_DATA) {
      const event = yield* this.#decodePageData(record);
      yield event ?? record;
      return;
    }
    if (record.name === undefined && !isOptionalRecord(record.type)) {
      yield* this.#cursor.refuse(this.#cursor.error("RECORD_UNKNOWN", { type: record.type }));
    }
    yield record;
  }

  *#decodePageData(record: RecordEvent): Steps<PageDataEvent | undefined> {
    try {
      return this.#pageData.decode(record);
    } catch (error) {
      if (!(error instanceof MigrationError)) {
        throw error;
      }
      yield* this.#cursor.refuse(error);
      return undefined;
    }
  }

  /** @source libxc-migration-stream.pandoc, "v3 compat with v2" */
  *#inferStaticDataEnd(header: RecordHeader): Steps<void> {
    const { type, offset } = header;
    if (type === LIBXC_RECORD.STATIC_DATA_END) {
      this.#hasStaticDataEnd = true;
    }
    const isMemory = type === LIBXC_RECORD.PAGE_DATA || type === LIBXC_RECORD.X86_PV_P2M_FRAMES;
    if (this.#version >= IMAGE_VERSION_MAX || this.#hasStaticDataEnd || !isMemory) {
      return;
    }
    this.#hasStaticDataEnd = true;
    const nothing = new Uint8Array(0);
    yield {
      kind: "record",
      layer: "libxc",
      offset,
      type: LIBXC_RECORD.STATIC_DATA_END,
      name: "STATIC_DATA_END",
      isOptional: false,
      isInferred: true,
      byteOrder: this.#byteOrder,
      body: nothing,
      padding: nothing,
    };
  }
}
