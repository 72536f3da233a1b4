import { unreachable } from "../base/assert.ts";
import type { ByteSink } from "../base/io.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import { LIBXC_RECORD } from "../format/libxc.ts";
import type {
  DomainHeader,
  ImageHeader,
  LibxlHeader,
  PageDataEvent,
  StreamEvent,
  XlHeader,
} from "./events.ts";
import {
  encodeDomainHeader,
  encodeImageHeader,
  encodeLibxlHeader,
  encodeXlHeader,
} from "./headers.ts";
import { type PageDataColumns, PageDataEncoder } from "./page-data.ts";
import { encodeRecord, type RecordParts } from "./record.ts";

/**
 * Turns what a reader found back into the octets it came from.
 *
 * The chunks of all events in order are the stream, whatever it is that could be read. Trailing
 * octets are passed through; events that are no octets of the stream give no chunks.
 */
export class StreamEncoder {
  readonly #pageData: PageDataEncoder;

  constructor(codec: PageDataHeadCodec) {
    this.#pageData = new PageDataEncoder(codec);
  }

  /** Encodes one event. The chunks are valid until the next call or the next event. */
  encode(event: StreamEvent): readonly Uint8Array[] {
    switch (event.kind) {
      case "xl-header":
        return [encodeXlHeader(event.header)];
      case "libxl-header":
        return [encodeLibxlHeader(event.header)];
      case "image-header":
        return [encodeImageHeader(event.header)];
      case "domain-header":
        return [encodeDomainHeader(event.header, event.byteOrder)];
      case "record":
        return event.isInferred ? [] : encodeRecord(event);
      case "page-data":
        return isRegular(event)
          ? [this.encodePageDataHead(event), event.pages]
          : encodeRecord({ type: LIBXC_RECORD.PAGE_DATA, ...event });
      case "trailing":
        return [event.bytes];
      case "pages-taken":
      case "layer":
      case "fault":
      case "end":
        return [];
      default:
        return unreachable(event);
    }
  }

  /** Encodes record header, count and pfn words of a PAGE_DATA; its pages follow as they are. */
  encodePageDataHead(columns: PageDataColumns): Uint8Array {
    return this.#pageData.encodeHead(columns);
  }
}

/** Whether columns and pages are all there is: no reserved bits that must be kept. */
function isRegular(event: PageDataEvent): boolean {
  return event.reserved === 0 && event.reservedWordIndex === undefined;
}

/**
 * Writes a stream piece by piece. The caller keeps to the order that the specs demand; the order
 * rules say whether it did.
 *
 * Each member resolves when the memory it was given may be reused.
 *
 * @throws MigrationError TRANSPORT_* from each member; RangeError a record too long for any reader.
 */
export class StreamWriter {
  readonly #sink: ByteSink;
  readonly #encoder: StreamEncoder;

  constructor(sink: ByteSink, codec: PageDataHeadCodec) {
    this.#sink = sink;
    this.#encoder = new StreamEncoder(codec);
  }

  async xlHeader(header: XlHeader): Promise<void> {
    await this.#sink.write(encodeXlHeader(header));
  }

  async libxlHeader(header: LibxlHeader): Promise<void> {
    await this.#sink.write(encodeLibxlHeader(header));
  }

  /** Writes libxc's two headers. */
  async libxcHeaders(image: ImageHeader, domain: DomainHeader): Promise<void> {
    await this.#sink.write(encodeImageHeader(image), encodeDomainHeader(domain, image.byteOrder));
  }

  /** Writes a record of libxl or libxc: header, body, padding. */
  async record(record: RecordParts): Promise<void> {
    await this.records([record]);
  }

  /** Writes records in order, all at once. */
  async records(records: readonly RecordParts[]): Promise<void> {
    await this.#sink.write(...records.flatMap(encodeRecord));
  }

  /**
   * Writes a PAGE_DATA record.
   *
   * @param pages chunks which together hold 4096 octets for each of `columns.types` with data.
   */
  async pageData(columns: PageDataColumns, ...pages: readonly Uint8Array[]): Promise<void> {
    await this.#sink.write(this.#encoder.encodePageDataHead(columns), ...pages);
  }

  /** Writes what a reader found: see {@link StreamEncoder}. */
  async event(event: StreamEvent): Promise<void> {
    const chunks = this.#encoder.encode(event);
    if (chunks.length > 0) {
      await this.#sink.write(...chunks);
    }
  }
}
