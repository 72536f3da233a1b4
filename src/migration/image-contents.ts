import type { MigrationError } from "../base/errors.ts";
import type { BodySource } from "../codec/bodies.ts";
import type {
  DomainHeader,
  ImageHeader,
  LibxlHeader,
  PageDataEvent,
  RecordEvent,
  StreamEvent,
} from "../codec/events.ts";
import { xlConfigText } from "../codec/xl-reader.ts";
import { LIBXC_RECORD } from "../format/libxc.ts";
import type { InspectedSource } from "./inspect.ts";
import { MemoryImage } from "./memory-image.ts";
import { type ReadingOptions, watchedEvents } from "./verify-stream.ts";

/**
 * Octets of bodies that are kept in all; of the records behind them only what they are.
 *
 * @inferred guests have a few hundred KiB; a device model with a large display 20 MiB
 */
const BODY_BYTES_MAX = 64 * 1024 * 1024;

/** A record with its body. */
export interface KeptRecord extends BodySource {
  readonly layer: "libxl" | "libxc";
  readonly type: number;
  readonly name: string | undefined;
  readonly offset: number;
  /** Octets that it had; those of `body`, or more where there were too many in all. */
  readonly bodyBytes: number;
}

/** All of an image: what is not memory as it came, and where the memory is. */
export interface ImageContents {
  /** The text in xl's header; `undefined` without one. */
  readonly configText: string | undefined;
  readonly libxl: LibxlHeader | undefined;
  readonly libxc: ImageHeader | undefined;
  readonly domain: DomainHeader | undefined;
  /** In their order, without PAGE_DATA. */
  readonly records: readonly KeptRecord[];
  readonly memory: MemoryImage;
  /** Octets up to and with the outermost END. */
  readonly bytes: number;
}

/** How {@link withImageContents} reads. */
export interface ContentsOptions extends ReadingOptions {
  /** Shown each record with pages that the guest's memory is made of, valid meanwhile. */
  readonly onPages?: ((event: PageDataEvent) => void) | undefined;
}

/**
 * Reads a whole image, and has `work` look at it while its pages are there: they are read again
 * where `source` has random access, else kept in a temporary file.
 *
 * What only a restore would refuse, such as big-endian streams or unknown records, is read;
 * pages that cannot be are an error.
 *
 * @throws what `work` throws; MigrationError STREAM_*, RECORD_*, PAGE_DATA_*, TRANSPORT_*; the
 *   signal's reason.
 */
export async function withImageContents<Result>(
  source: InspectedSource,
  options: ContentsOptions,
  work: (contents: ImageContents) => Promise<Result>,
): Promise<Result> {
  const { randomAccess: image } = source;
  const memory = new MemoryImage(
    image === undefined ? { kind: "spool" } : { kind: "reread", image },
  );
  try {
    const contents = new Collector(memory, options.onPages);
    for await (const event of watchedEvents(source, options)) {
      await contents.take(event);
    }
    return await work(contents);
  } finally {
    await memory.close();
  }
}

class Collector implements ImageContents {
  readonly memory: MemoryImage;
  readonly records: KeptRecord[] = [];
  readonly #onPages: ((event: PageDataEvent) => void) | undefined;
  configText: string | undefined;
  libxl: LibxlHeader | undefined;
  libxc: ImageHeader | undefined;
  domain: DomainHeader | undefined;
  bytes = 0;
  #keptBytes = 0;
  #isVerifying = false;

  constructor(memory: MemoryImage, onPages: ContentsOptions["onPages"]) {
    this.memory = memory;
    this.#onPages = onPages;
  }

  async take(event: StreamEvent): Promise<void> {
    switch (event.kind) {
      case "xl-header": {
        const { config } = event.header;
        this.configText = config && xlConfigText(config);
        break;
      }
      case "libxl-header":
        this.libxl = event.header;
        break;
      case "image-header":
        this.libxc = event.header;
        break;
      case "domain-header":
        this.domain = event.header;
        break;
      case "record":
        this.#takeRecord(event);
        break;
      case "page-data":
        await this.#takePages(event);
        break;
      case "fault":
        throwIfAboutPages(event.error);
        break;
      case "end":
        this.bytes = event.offset;
        break;
      default:
        break;
    }
  }

  #takeRecord(event: RecordEvent): void {
    const { layer, type, name, offset, byteOrder, body, isInferred } = event;
    this.#isVerifying ||= layer === "libxc" && type === LIBXC_RECORD.VERIFY;
    if (!isInferred) {
      const isKept = this.#keptBytes + body.length <= BODY_BYTES_MAX;
      const kept = isKept ? body.slice() : new Uint8Array(0);
      this.#keptBytes += kept.length;
      const bodyBytes = body.length;
      this.records.push({ layer, type, name, offset, byteOrder, body: kept, bodyBytes });
    }
  }

  /** What comes after VERIFY is compared by the receiver, not stored. */
  async #takePages(event: PageDataEvent): Promise<void> {
    if (!this.#isVerifying) {
      this.#onPages?.(event);
      await this.memory.take(event);
    }
  }
}

/** @throws MigrationError PAGE_DATA_* */
function throwIfAboutPages(error: MigrationError): void {
  if (error.code.startsWith("PAGE_DATA_")) {
    throw error;
  }
}
