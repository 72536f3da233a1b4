import type { ErrorCode, MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import type { PageDataEvent, RecordEvent, StreamEvent, XlHeader } from "../codec/events.ts";
import { recordLabel } from "../codec/record.ts";
import type { ByteOrder, Layer } from "../codec/steps.ts";
import { xlConfigText } from "../codec/xl-reader.ts";
import { IMAGE_ID, LIBXC_RECORD } from "../format/libxc.ts";
import { PAGE_TYPE, pageTypeName } from "../format/page-type.ts";
import { XL_HEADER_BYTES, XL_MANDATORY_JSON_MASK, type XlSentenceName } from "../format/xl.ts";
import type { RandomAccess } from "../transport/image-file.ts";
import { describeFacts, describeRecord, type Json } from "./inspect-records.ts";
import { type DigestMethod, type FrameSummary, MemoryDigest } from "./memory-digest.ts";
import { Trailing } from "./trailing.ts";
import { type ReadingOptions, streamError, watchedEvents } from "./verify-stream.ts";

/** Options of {@link inspectStream}. */
export interface InspectOptions extends ReadingOptions {
  /** Leaves the digest of memory out: then nothing is read again or spooled. */
  readonly memoryDigest?: "make" | "leave-out" | undefined;
  /** Entries of `records`, of `details` and of `faults` that are kept. 10,000 unless said. */
  readonly recordsMax?: number | undefined;
}

/** Records in order; PAGE_DATA records that follow each other are one entry. */
export interface RecordRun {
  readonly layer: "libxl" | "libxc";
  readonly name: string;
  count: number;
  /** Octets of the bodies. */
  bytes: number;
}

/** Something that restoring would stop at, or that ended the reading. */
export interface InspectFault {
  readonly code: ErrorCode;
  readonly message: string;
  readonly where: Readonly<Record<string, Json>>;
}

/** What is in a stream, as plain JSON; names as in other tools. */
export interface Inspection {
  readonly format?: Layer;
  readonly byte_order: Partial<Record<Layer, ByteOrder>>;
  readonly records: readonly RecordRun[];
  /** Entries that `records` lacks because there are too many. */
  readonly records_left_out: number;
  readonly xl_header_bytes?: number;
  readonly xl?: {
    readonly mandatory_flags: number;
    readonly optional_flags: number;
    /** Parsed where it is JSON, else its text. */
    readonly config: Json;
  };
  readonly libxl?: { readonly version: number; readonly options: number };
  readonly libxc?: {
    readonly id: string;
    readonly version: number;
    readonly options: number;
    readonly guest_type?: number;
    readonly page_shift?: number;
    readonly xen?: string;
  };
  /** Where the static data ended: at a record, or inferred as in version 2. */
  readonly static_data_end: "record" | "inferred" | "missing";
  /** Octets up to and with the outermost END. */
  readonly bytes: number;
  readonly trailing_bytes: number;
  /** The first 80 of them as text. */
  readonly trailing?: string;
  /** Which of xl's sentences they are. */
  readonly trailing_sentence?: XlSentenceName;
  readonly page_entries_by_type: Readonly<Record<string, number>>;
  readonly frames: FrameSummary;
  readonly memory_sha256?: string;
  /** Small records decoded, in order. */
  readonly details: readonly { readonly [name: string]: Json }[];
  readonly faults: readonly InspectFault[];
  /** Why reading ended before the stream did. */
  readonly error?: InspectFault;
}

/**
 * Reads a whole stream and tells what is in it.
 *
 * A stream that cannot be read to its end gives what was read, with `error` and no digest.
 *
 * Memory goes with the number of distinct frames (about 30 octets each), not with the pages: for
 * the digest they are read again where `source` has random access, else spooled to a temporary
 * file.
 *
 * @param source at the stream's first octet; closing it is the caller's.
 * @throws MigrationError TRANSPORT_*; the signal's reason.
 */
export async function inspectStream(
  source: ByteSource & { readonly randomAccess?: RandomAccess | undefined },
  options: InspectOptions,
): Promise<Inspection> {
  const inspector = new StreamInspector({ ...options, randomAccess: source.randomAccess });
  try {
    try {
      for await (const event of watchedEvents(source, options)) {
        await inspector.take(event);
      }
    } catch (error) {
      inspector.fail(streamError(error), source.offset);
    }
    return await inspector.finish(options.signal);
  } finally {
    await inspector.close();
  }
}

const RECORDS_MAX = 10_000;

/** Octets of bodies that are described, and how much of it one body counts at most. */
const DETAIL_BYTES_MAX = 16 * 1024 * 1024;
const DETAIL_BYTES_OF_ONE_MAX = 64 * 1024;

/** Collects what is in a stream from its events, whoever reads it. */
export class StreamInspector {
  readonly #recordsMax: number;
  readonly #memory: MemoryDigest;
  readonly #headers: Pick<Mutable<Inspection>, "format" | HeaderName> = {};
  readonly #byteOrder: Partial<Record<Layer, ByteOrder>> = {};
  readonly #records: RecordRun[] = [];
  readonly #details: { readonly [name: string]: Json }[] = [];
  readonly #faults: InspectFault[] = [];
  readonly #entriesByType = new Array<number>(16).fill(0);
  readonly #trailing = new Trailing();
  #recordsLeftOut = 0;
  #detailBytes = 0;
  #staticDataEnd: Inspection["static_data_end"] = "missing";
  #isVerifying = false;
  #bytes = 0;
  #error: InspectFault | undefined;

  constructor(
    options: Pick<InspectOptions, "memoryDigest" | "recordsMax"> & {
      readonly randomAccess?: RandomAccess | undefined;
    },
  ) {
    this.#recordsMax = options.recordsMax ?? RECORDS_MAX;
    this.#memory = new MemoryDigest(digestMethod(options.memoryDigest, options.randomAccess));
  }

  /** Takes the next event, read for the purpose of inspecting. What it refers to is copied. */
  async take(event: StreamEvent): Promise<void> {
    switch (event.kind) {
      case "record":
        this.#takeRecord(event);
        break;
      case "page-data":
        await this.#takePageData(event);
        break;
      case "fault":
        keep(this.#faults, faultOf(event.error), this.#recordsMax);
        break;
      case "end":
        this.#bytes = event.offset;
        break;
      case "trailing":
        this.#trailing.take(event);
        break;
      default:
        this.#takeHeader(event);
    }
  }

  /** The stream cannot be read further than `bytes` octets. */
  fail(error: MigrationError, bytes: number): void {
    this.#bytes = bytes;
    this.#error = faultOf(error);
  }

  /** Makes the digest and the result. @throws as {@link inspectStream} */
  async finish(signal?: AbortSignal): Promise<Inspection> {
    const frames = this.#memory.summary();
    const digest = this.#error === undefined ? await this.#memory.sha256(signal) : undefined;
    const { byteCount, text, sentence } = this.#trailing;
    const types = [...this.#entriesByType.entries()].filter(([, count]) => count > 0);
    return {
      ...this.#headers,
      byte_order: this.#byteOrder,
      records: this.#records,
      records_left_out: this.#recordsLeftOut,
      static_data_end: this.#staticDataEnd,
      bytes: this.#bytes,
      trailing_bytes: byteCount,
      ...(byteCount > 0 ? { trailing: text } : {}),
      ...(sentence === undefined ? {} : { trailing_sentence: sentence }),
      page_entries_by_type: Object.fromEntries(types.map(([type, n]) => [typeLabel(type), n])),
      frames,
      ...(digest === undefined ? {} : { memory_sha256: digest }),
      details: this.#details,
      faults: this.#faults,
      ...(this.#error === undefined ? {} : { error: this.#error }),
    };
  }

  /** Removes temporary files. Called once, whatever happened. */
  async close(): Promise<void> {
    await this.#memory.close();
  }

  #takeRecord(event: RecordEvent): void {
    if (event.layer === "libxc") {
      if (event.type === LIBXC_RECORD.STATIC_DATA_END) {
        this.#staticDataEnd = event.isInferred ? "inferred" : "record";
      }
      this.#isVerifying ||= event.type === LIBXC_RECORD.VERIFY;
    }
    if (event.isInferred) {
      return;
    }
    const { layer, offset, body } = event;
    const name = recordLabel(layer, event.type);
    this.#count(layer, name, body.length);
    this.#detailBytes += Math.min(body.length, DETAIL_BYTES_OF_ONE_MAX);
    const fields = this.#detailBytes <= DETAIL_BYTES_MAX ? describeRecord(event) : {};
    if (Object.keys(fields).length > 0) {
      keep(this.#details, { layer, name, offset, ...fields }, this.#recordsMax);
    }
  }

  /** What comes after VERIFY is compared by the receiver, not stored. */
  async #takePageData(event: PageDataEvent): Promise<void> {
    this.#count("libxc", "PAGE_DATA", event.bodyBytes);
    if (this.#isVerifying) {
      return;
    }
    for (const type of event.types) {
      this.#entriesByType[type] = this.#entriesByType[type]! + 1;
    }
    await this.#memory.take(event);
  }

  #count(layer: "libxl" | "libxc", name: string, bytes: number): void {
    const last = this.#records.at(-1);
    if (name === "PAGE_DATA" && last?.name === name && this.#recordsLeftOut === 0) {
      last.count++;
      last.bytes += bytes;
    } else if (this.#records.length < this.#recordsMax) {
      this.#records.push({ layer, name, count: 1, bytes });
    } else {
      this.#recordsLeftOut++;
    }
  }

  #takeHeader(event: StreamEvent): void {
    switch (event.kind) {
      case "xl-header":
        this.#headers.format = "xl";
        this.#byteOrder.xl = event.header.byteOrder;
        this.#headers.xl_header_bytes = XL_HEADER_BYTES + event.header.optionalData.length;
        this.#headers.xl = describeXl(event.header);
        break;
      case "libxl-header":
        this.#headers.format ??= "libxl";
        this.#byteOrder.libxl = event.header.byteOrder;
        this.#headers.libxl = { version: event.header.version, options: event.header.options };
        break;
      case "image-header": {
        const { version, options, byteOrder } = event.header;
        this.#headers.format ??= "libxc";
        this.#byteOrder.libxc = byteOrder;
        this.#headers.libxc = { id: `0x${IMAGE_ID.toString(16)}`, version, options };
        break;
      }
      case "domain-header": {
        const { guestType, pageShift, xenMajor, xenMinor } = event.header;
        if (this.#headers.libxc !== undefined) {
          const xen = `${xenMajor}.${xenMinor}`;
          const domain = { guest_type: guestType, page_shift: pageShift, xen };
          this.#headers.libxc = { ...this.#headers.libxc, ...domain };
        }
        break;
      }
      default:
        break;
    }
  }
}

type HeaderName = "xl_header_bytes" | "xl" | "libxl" | "libxc";
type Mutable<Type> = { -readonly [Name in keyof Type]: Type[Name] };

function digestMethod(
  wish: InspectOptions["memoryDigest"],
  image: RandomAccess | undefined,
): DigestMethod {
  if (wish === "leave-out") {
    return { kind: "none" };
  }
  return image === undefined ? { kind: "spool" } : { kind: "reread", image };
}

function describeXl(header: XlHeader): NonNullable<Inspection["xl"]> {
  const { mandatoryFlags, optionalFlags, config } = header;
  const text = config === undefined ? null : xlConfigText(config);
  let parsed: Json = text;
  if (text !== null && (mandatoryFlags & XL_MANDATORY_JSON_MASK) !== 0) {
    try {
      parsed = JSON.parse(text);
    } catch {
      parsed = text;
    }
  }
  return { mandatory_flags: mandatoryFlags, optional_flags: optionalFlags, config: parsed };
}

/** Pinned page tables are named as other tools do. */
function typeLabel(pageType: number): string {
  const name = pageTypeName(pageType) ?? `0x${pageType.toString(16)}`;
  const isPinned = pageType >= PAGE_TYPE.L1TAB_PIN && pageType <= PAGE_TYPE.L4TAB_PIN;
  return isPinned ? name.replace("_PIN", " pinned") : name;
}

function faultOf(error: MigrationError): InspectFault {
  return { code: error.code, message: error.message, where: describeFacts(error.where) };
}

function keep<Item>(list: Item[], item: Item, itemsMax: number): void {
  if (list.length < itemsMax) {
    list.push(item);
  }
}
