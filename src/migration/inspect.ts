import type { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import type { PageDataEvent, RecordEvent, StreamEvent, XlHeader } from "../codec/events.ts";
import { recordLabel } from "../codec/record.ts";
import type { ByteOrder, Layer } from "../codec/steps.ts";
import { xlConfigText } from "../codec/xl-reader.ts";
import type { PageOperations } from "../engine/types.ts";
import { IMAGE_ID, LIBXC_RECORD } from "../format/libxc.ts";
import { XL_HEADER_BYTES, XL_MANDATORY_JSON_MASK, type XlSentenceName } from "../format/xl.ts";
import type { RandomAccess } from "../transport/image-file.ts";
import { faultOf, type InspectFault, type Json, type JsonObject } from "./inspect-json.ts";
import { RecordDescriber } from "./inspect-records.ts";
import type { SentIteration } from "./iterations.ts";
import { type FrameSummary, MemoryImage, type PageKeeping, pageTypeLabel } from "./memory-image.ts";
import type { MemoryMap } from "./memory-map.ts";
import { Trailing } from "./trailing.ts";
import type { VcpuPaging } from "./vcpu-paging.ts";
import { type ReadingOptions, streamError, watchedEvents } from "./verify-stream.ts";

/** Options of {@link inspectStream}. */
export interface InspectOptions extends ReadingOptions {
  /**
   * Leaves the digest of memory out. Then nothing is read again or spooled, unless pages are to be
   * looked at: `keep-pages`.
   */
  readonly memoryDigest?: "make" | "leave-out" | "keep-pages" | undefined;
  /** Counts duplicates, if a digest is made. */
  readonly engine?: Pick<PageOperations, "digestPages"> | undefined;
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
  /** Frames with a page that is not all zero and that another frame has, too; all but one. */
  readonly duplicates?: number;
  readonly iterations: readonly SentIteration[];
  readonly map: MemoryMap;
  readonly memory_sha256?: string;
  /** Records decoded, in order. */
  readonly details: readonly JsonObject[];
  readonly faults: readonly InspectFault[];
  /** Why reading ended before the stream did. */
  readonly error?: InspectFault;
}

/**
 * Reads a whole stream and tells what is in it.
 *
 * A stream that cannot be read to its end gives what was read, with `error` and no digest.
 *
 * Memory goes with the number of distinct frames (30 to 90 octets each), not with the pages: for
 * the digest they are read again where `source` has random access, else spooled to a temporary
 * file.
 *
 * @param source at the stream's first octet; closing it is the caller's.
 * @throws MigrationError TRANSPORT_*; the signal's reason.
 */
export async function inspectStream(
  source: InspectedSource,
  options: InspectOptions,
): Promise<Inspection> {
  return await withInspection(source, options, async (inspection) => inspection);
}

/** What is inspected; with random access pages are read again from there. */
export type InspectedSource = ByteSource & { readonly randomAccess?: RandomAccess | undefined };

/** What was inspected, for a closer look while it is there. */
export interface Inspected {
  readonly memory: MemoryImage;
  readonly paging: VcpuPaging;
}

/**
 * Reads a whole stream as {@link inspectStream} does, and has `work` look at it before its pages
 * are gone.
 *
 * @throws what `work` throws, and as {@link inspectStream}.
 */
export async function withInspection<Result>(
  source: InspectedSource,
  options: InspectOptions,
  work: (inspection: Inspection, inspected: Inspected) => Promise<Result>,
): Promise<Result> {
  const inspector = new StreamInspector({ ...options, randomAccess: source.randomAccess });
  try {
    try {
      for await (const event of watchedEvents(source, options)) {
        await inspector.take(event);
      }
    } catch (error) {
      inspector.fail(streamError(error), source.offset);
    }
    return await work(await inspector.finish(options.signal), inspector);
  } finally {
    await inspector.close();
  }
}

const RECORDS_MAX = 10_000;

/** Octets of bodies that are described, and how much of it one body counts at most. */
const DETAIL_BYTES_MAX = 32 * 1024 * 1024;
const DETAIL_BYTES_OF_ONE_MAX = 4 * 1024 * 1024;

/** Collects what is in a stream from its events, whoever reads it. */
export class StreamInspector implements Inspected {
  /** What the stream says of memory. */
  readonly memory: MemoryImage;
  readonly #recordsMax: number;
  readonly #engine: InspectOptions["engine"];
  readonly #makesDigest: boolean;
  readonly #describer = new RecordDescriber();
  readonly #headers: Pick<Mutable<Inspection>, "format" | HeaderName> = {};
  readonly #byteOrder: Partial<Record<Layer, ByteOrder>> = {};
  readonly #records: RecordRun[] = [];
  readonly #details: JsonObject[] = [];
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
    options: Pick<InspectOptions, "memoryDigest" | "recordsMax" | "engine"> & {
      readonly randomAccess?: RandomAccess | undefined;
    },
  ) {
    this.#recordsMax = options.recordsMax ?? RECORDS_MAX;
    this.#engine = options.engine;
    this.#makesDigest = (options.memoryDigest ?? "make") === "make";
    this.memory = new MemoryImage(pageKeeping(options.memoryDigest, options.randomAccess));
  }

  /** What the stream says of page tables. */
  get paging(): VcpuPaging {
    return this.#describer.paging;
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
    const isWhole = this.#error === undefined;
    const digest =
      isWhole && this.#makesDigest ? await this.memory.digest(this.#engine, signal) : undefined;
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
      page_entries_by_type: Object.fromEntries(types.map(([type, n]) => [pageTypeLabel(type), n])),
      frames: this.memory.summary(),
      ...(digest?.duplicates === undefined ? {} : { duplicates: digest.duplicates }),
      iterations: this.memory.iterations(),
      map: this.memory.map(),
      ...(digest === undefined ? {} : { memory_sha256: digest.sha256 }),
      details: this.#details,
      faults: this.#faults,
      ...(this.#error === undefined ? {} : { error: this.#error }),
    };
  }

  /** Removes temporary files. Called once, whatever happened. */
  async close(): Promise<void> {
    await this.memory.close();
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
    const isBounded = this.#detailBytes <= DETAIL_BYTES_MAX;
    const fields = isBounded ? this.#describer.describe(event) : {};
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
    await this.memory.take(event);
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

function pageKeeping(
  wish: InspectOptions["memoryDigest"],
  image: RandomAccess | undefined,
): PageKeeping {
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

function keep<Item>(list: Item[], item: Item, itemsMax: number): void {
  if (list.length < itemsMax) {
    list.push(item);
  }
}
