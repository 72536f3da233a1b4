import { MigrationError } from "../base/errors.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import { PAGE_BYTES } from "../base/units.ts";
import type { PageDataEvent, RecordEvent, StreamEvent } from "../codec/events.ts";
import { pullEvents } from "../codec/pull.ts";
import { xlConfigText } from "../codec/xl-reader.ts";
import { LIBXC_RECORD } from "../format/libxc.ts";
import { hasStreamData, PAGE_TYPE } from "../format/page-type.ts";
import { XL_HEADER_BYTES } from "../format/xl.ts";
import type { ImageSource } from "../transport/image-file.ts";
import { decodeBody } from "./decode-body.ts";
import { MemoryDigester } from "./memory-digest.ts";

/** A record, or a run of PAGE_DATA records. */
export interface RecordSummary {
  readonly layer: "libxl" | "libxc";
  readonly name: string;
  count: number;
  /** Of all bodies together. */
  bytes: number;
  readonly offset: number;
  /** Its fields, where it has any. */
  readonly fields?: object;
}

export interface InspectOptions {
  /** Whether to digest the resulting memory, which reads every page twice. */
  readonly withDigest: boolean;
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** How much of what follows the end is shown. */
const TRAILING_SHOWN_MAX = 80;

/** How often a frame's repeats are told apart. */
const REPEATS_MAX = 255;

/** What is in an image; all of it can be written as JSON. */
export type InspectReport = Awaited<ReturnType<typeof inspectStream>>;

/**
 * Says what is in an image. Memory grows with the frames it names (a few octets each), not with
 * its pages.
 *
 * Faults that restoring would stop at are listed, and reading goes on where it can.
 *
 * @throws MigrationError what ends the reading: STREAM_*, RECORD_TOO_LONG, TRANSPORT_*;
 *   MIGRATION_INTERRUPTED
 */
export async function inspectStream(
  source: ImageSource,
  codec: PageDataHeadCodec,
  options: InspectOptions,
) {
  const digester = options.withDigest ? new MemoryDigester(source.randomAccess) : undefined;
  const inspector = new Inspector(digester);
  try {
    const events = pullEvents(source, codec, { purpose: "inspect", afterEnd: "read" });
    for await (const event of events) {
      if (options.signal?.aborted === true) {
        throw new MigrationError("MIGRATION_INTERRUPTED");
      }
      await inspector.take(event);
      options.onProgress?.(source.offset);
    }
    return await inspector.report();
  } finally {
    await digester?.close();
  }
}

class Inspector {
  readonly #digester: MemoryDigester | undefined;
  readonly #records: RecordSummary[] = [];
  readonly #faults: string[] = [];
  readonly #typeCounts = new Map<string, number>();
  readonly #frames = new FrameCounts();
  readonly #headers: Record<string, unknown> = {};
  #isVerifying = false;
  #verifyEntries = 0;
  #bytes = 0;
  #trailingBytes = 0;
  #trailing = "";

  constructor(digester: MemoryDigester | undefined) {
    this.#digester = digester;
  }

  async take(event: StreamEvent): Promise<void> {
    switch (event.kind) {
      case "record":
        this.#takeRecord(event);
        return;
      case "page-data":
        this.#addRecord("libxc", "PAGE_DATA", event.bodyBytes, event.offset);
        await this.#takePages(event);
        return;
      case "fault":
        this.#faults.push(event.error.message);
        return;
      case "end":
        this.#bytes = event.offset;
        return;
      case "trailing":
        this.#takeTrailing(event.bytes);
        return;
      default:
        this.#takeHeader(event);
    }
  }

  async report() {
    const memory = await this.#digester?.digest();
    const { entries, distinct, lowest, highest, sentAtLeast } = this.#frames.summary();
    return {
      ...this.#headers,
      records: this.#records,
      bytes: this.#bytes,
      trailing_bytes: this.#trailingBytes,
      ...(this.#trailingBytes > 0 && { trailing: this.#trailing }),
      page_entries_by_type: Object.fromEntries(this.#typeCounts),
      frames: {
        entries,
        distinct,
        sent_at_least_n_times: sentAtLeast,
        ...(memory && { with_memory: memory.framesWithMemory, all_zero: memory.framesAllZero }),
        lowest,
        highest,
      },
      verify_entries: this.#verifyEntries,
      ...(memory && { memory_sha256: memory.sha256 }),
      faults: this.#faults,
    };
  }

  #takeHeader(event: StreamEvent): void {
    if (event.kind === "xl-header") {
      const { optionalData, config, byteOrder } = event.header;
      this.#headers.xl_header_bytes = XL_HEADER_BYTES + optionalData.length;
      this.#headers.xl = { byte_order: byteOrder, config: config && configOf(config) };
    } else if (event.kind === "libxl-header") {
      const { version, options, byteOrder } = event.header;
      this.#headers.libxl = { version, options, byte_order: byteOrder };
    } else if (event.kind === "image-header") {
      const { version, options, byteOrder } = event.header;
      this.#headers.libxc = { id: "0x58454e46", version, options, byte_order: byteOrder };
    } else if (event.kind === "domain-header") {
      const { guestType, pageShift, xenMajor, xenMinor } = event.header;
      const domain = {
        guest_type: guestType,
        page_shift: pageShift,
        xen: `${xenMajor}.${xenMinor}`,
      };
      Object.assign(this.#headers.libxc as object, domain);
    }
  }

  #takeRecord(event: RecordEvent): void {
    if (event.isInferred) {
      return;
    }
    const name = event.name ?? `0x${event.type.toString(16)}`;
    this.#addRecord(event.layer, name, event.body.length, event.offset, this.#fieldsOf(event));
    if (event.layer === "libxc" && event.type === LIBXC_RECORD.VERIFY) {
      this.#isVerifying = true;
    }
  }

  #fieldsOf(event: RecordEvent): object | undefined {
    try {
      return decodeBody(event);
    } catch (error) {
      if (!(error instanceof MigrationError)) {
        throw error;
      }
      this.#faults.push(error.message);
      return undefined;
    }
  }

  #addRecord(
    layer: "libxl" | "libxc",
    name: string,
    bytes: number,
    offset: number,
    fields?: object,
  ): void {
    const last = this.#records.at(-1);
    if (name === "PAGE_DATA" && last?.name === name) {
      last.count++;
      last.bytes += bytes;
      return;
    }
    this.#records.push({ layer, name, count: 1, bytes, offset, ...(fields && { fields }) });
  }

  async #takePages({ pfns, types, pages, pagesOffset }: PageDataEvent): Promise<void> {
    if (this.#isVerifying) {
      this.#verifyEntries += pfns.length;
      return;
    }
    let at = 0;
    for (let index = 0; index < pfns.length; index++) {
      const pfn = pfns[index]!;
      const pageType = types[index]!;
      const name = typeName(pageType);
      this.#typeCounts.set(name, (this.#typeCounts.get(name) ?? 0) + 1);
      this.#frames.add(pfn);
      if (hasStreamData(pageType)) {
        const page = pages.subarray(at, at + PAGE_BYTES);
        await this.#digester?.store(pfn, page, pagesOffset + at);
        at += PAGE_BYTES;
      } else {
        this.#digester?.drop(pfn);
      }
    }
  }

  #takeTrailing(bytes: Uint8Array): void {
    this.#trailingBytes += bytes.length;
    const room = TRAILING_SHOWN_MAX - this.#trailing.length;
    this.#trailing += Buffer.from(bytes.subarray(0, room)).toString("latin1");
  }
}

/** How often each frame was named; one octet a frame, in tables that appear as frames do. */
class FrameCounts {
  static readonly #tableFrames = 1 << 16;
  readonly #tables = new Map<number, Uint8Array>();
  readonly #atLeast: number[] = [];
  #entries = 0;
  #lowest = Number.POSITIVE_INFINITY;
  #highest = 0;

  add(pfn: number): void {
    const number = Math.floor(pfn / FrameCounts.#tableFrames);
    let table = this.#tables.get(number);
    if (table === undefined) {
      table = new Uint8Array(FrameCounts.#tableFrames);
      this.#tables.set(number, table);
    }
    const index = pfn % FrameCounts.#tableFrames;
    const count = Math.min(REPEATS_MAX, table[index]! + 1);
    if (count > table[index]!) {
      table[index] = count;
      this.#atLeast[count - 1] = (this.#atLeast[count - 1] ?? 0) + 1;
    }
    this.#entries++;
    this.#lowest = Math.min(this.#lowest, pfn);
    this.#highest = Math.max(this.#highest, pfn);
  }

  summary() {
    return {
      entries: this.#entries,
      distinct: this.#atLeast[0] ?? 0,
      sentAtLeast: this.#atLeast,
      lowest: this.#entries === 0 ? 0 : this.#lowest,
      highest: this.#highest,
    };
  }
}

const TYPE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(PAGE_TYPE).map(([name, value]) => [value, name.replace("_PIN", " pinned")]),
);

function typeName(pageType: number): string {
  return TYPE_NAMES.get(pageType) ?? `0x${pageType.toString(16)}`;
}

/** The configuration as JSON, or as text where it is none. */
function configOf(config: Uint8Array): unknown {
  const text = xlConfigText(config);
  try {
    return JSON.parse(text);
  } catch {
    // Images of other toolstacks may carry another kind of text; it is shown as it is.
    return text;
  }
}
