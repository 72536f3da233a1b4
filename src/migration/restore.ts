import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import { PAGE_BYTES } from "../base/units.ts";
import type { PageDataEvent, RecordEvent, StreamEvent } from "../codec/events.ts";
import { OrderRules } from "../codec/order.ts";
import { xlConfigText } from "../codec/xl-reader.ts";
import type { PageEngine } from "../engine/types.ts";
import { LIBXC_RECORD, RECORD_HEADER_BYTES } from "../format/libxc.ts";
import {
  decodeIterationEnd,
  decodeOffer,
  type IterationEnd,
  type Offer,
  OWN_RECORD,
} from "../format/own.ts";
import { hasStreamData } from "../format/page-type.ts";
import { configFromJson } from "../guest/config.ts";
import type { GuestConfig, GuestSink, SinkMemory, StateRecord } from "../guest/types.ts";
import type { IntakeParts } from "../report/profile.ts";
import type { FileAccess } from "../transport/pump-addon.ts";
import { Intake } from "./intake.ts";
import { orInterruption } from "./interruption.ts";
import { pullAnyVersion, type StreamVersion } from "./legacy.ts";
import { pageTaker } from "./page-taker.ts";
import type { ProgressListener } from "./progress.ts";

/** What an image is read from and into. */
export interface RestoreStreamOptions {
  readonly source: ByteSource;
  readonly engine: PageEngine;
  /** Aborting ends what is under way. */
  readonly signal: AbortSignal;
  /** Makes the empty guest, once its configuration is known; called at most once. */
  readonly prepare: (config: GuestConfig) => Promise<GuestSink>;
  /** How pages are read where the source is a plain file; `auto` unless said otherwise. */
  readonly fileAccess?: FileAccess;
  /** Version of the stream, of which legacy ones are converted; told by its first octets. */
  readonly streamVersion?: StreamVersion | undefined;
  /** What only a stream between two of ours has, and who acts on it. */
  readonly own?: OwnRecords;
  /** Is told of what comes. */
  readonly intake?: Intake;
}

/** Acts on records of ours; what it throws ends the reading. */
export interface OwnRecords {
  /** The source offers something, behind the headers. The guest's memory is made. */
  offer(offer: Offer, memory: SinkMemory): Promise<void>;
  /** @param offset where the record starts in the stream. */
  endIteration(end: IterationEnd, offset: number): Promise<void>;
}

/** A guest whose memory and state are complete, and which does not run yet. */
export interface RestoredStream {
  readonly config: GuestConfig;
  readonly sink: GuestSink;
  /** Page entries with data, repeats counted. */
  readonly pages: number;
  readonly bytes: number;
  /** Octets of pages that were read from a file past the page cache. */
  readonly directBytes: number;
  /** Where time went while pages came. */
  readonly intake: IntakeParts;
}

/**
 * Reads an image up to its END, and not an octet further, into an empty guest.
 *
 * The guest that `prepare` made is the caller's to destroy on failure.
 *
 * @throws MigrationError STREAM_*, RECORD_*, PAGE_DATA_*, LEGACY_*, ORDER_*, GUEST_*, TRANSPORT_*
 * @source xg_sr_restore.c restore; libxl_stream_read.c
 */
export async function restoreStream(options: RestoreStreamOptions): Promise<RestoredStream> {
  const { source, engine, signal, intake = new Intake() } = options;
  const restoring = new Restoring({ ...options, intake });
  const order = new OrderRules();
  let directBytes = 0;
  const takePages = pageTaker({
    source,
    engine,
    signal,
    memory: () => restoring.memory,
    fileAccess: options.fileAccess,
    counters: intake.counters,
    onBegin: () => intake.memoryBegins(),
    onDirectBytes: (byteCount) => {
      directBytes += byteCount;
    },
  });
  const { streamVersion } = options;
  const pulling = { takePages, streamVersion, legacy: { format: "libxl" } } as const;
  for await (const event of pullAnyVersion(source, engine, pulling)) {
    const refused = order.check(event).find(({ severity }) => severity === "refused");
    if (refused !== undefined) {
      throw new MigrationError(refused.code, refused.facts);
    }
    await restoring.take(event);
  }
  const { config, sink, pages } = await restoring.finish();
  const { parts } = intake;
  return { config, sink, pages, bytes: options.source.offset, directBytes, intake: parts };
}

/** How a guest is restored from a file. */
export interface RestoreOptions extends Omit<RestoreStreamOptions, "intake"> {
  readonly startAs: "running" | "paused";
  readonly onProgress?: ProgressListener;
}

/**
 * Restores a guest from an image and starts it. A failure leaves no guest.
 *
 * @throws MigrationError as `restoreStream`; MIGRATION_INTERRUPTED
 */
export async function restoreGuest(options: RestoreOptions): Promise<RestoredStream> {
  const { signal, startAs } = options;
  const intake = new Intake(options.onProgress);
  let sink: GuestSink | undefined;
  const prepare = async (config: GuestConfig) => {
    sink = await options.prepare(config);
    return sink;
  };
  const giveUp = () => void options.source.close();
  signal.addEventListener("abort", giveUp);
  try {
    const restored = await restoreStream({ ...options, prepare, intake });
    await restored.sink.start(startAs);
    intake.reached("started");
    return restored;
  } catch (error) {
    await sink?.destroy();
    throw orInterruption(signal, error);
  } finally {
    signal.removeEventListener("abort", giveUp);
    intake.end();
    await sink?.cleanup();
  }
}

/** Record types that are the guest's state; the others are the stream's own. */
const STATE_RECORDS: ReadonlySet<number> = new Set([
  LIBXC_RECORD.X86_TSC_INFO,
  LIBXC_RECORD.HVM_PARAMS,
  LIBXC_RECORD.HVM_CONTEXT,
]);

type RestoringParts = Pick<RestoreStreamOptions, "prepare" | "own"> & { readonly intake: Intake };

class Restoring {
  readonly #prepare: RestoreStreamOptions["prepare"];
  readonly #own: OwnRecords | undefined;
  readonly #intake: Intake;
  readonly #state: StateRecord[] = [];
  #config: GuestConfig | undefined;
  #sink: GuestSink | undefined;
  #applied: Promise<void> | undefined;
  #isVerifying = false;
  #pages = 0;

  constructor({ prepare, own, intake }: RestoringParts) {
    this.#prepare = prepare;
    this.#own = own;
    this.#intake = intake;
  }

  async take(event: StreamEvent): Promise<void> {
    switch (event.kind) {
      case "xl-header":
        this.#config = configFromJson(configText(event.header.config));
        this.#sink = await this.#prepare(this.#config);
        this.#intake.reached("guest");
        return;
      case "record":
        await (event.isOptional ? this.#takeOptional(event) : this.#takeRecord(event));
        return;
      case "page-data":
        await this.#takePages(event);
        return;
      case "pages-taken":
        this.#pages += event.dataPages;
        return;
      default:
        return;
    }
  }

  /** RAM of the guest. @throws MigrationError GUEST_CONFIG there is none yet */
  get memory(): SinkMemory {
    return this.#ready(0).sink.memory;
  }

  async finish() {
    const { config, sink } = this.#ready(0);
    await (this.#applied ?? sink.applyState(this.#state));
    this.#intake.reached("restored");
    return { config, sink, pages: this.#pages };
  }

  /** Ignores what is not ours, and what is damaged: it is optional. */
  async #takeOptional({ layer, type, body, offset }: RecordEvent): Promise<void> {
    if (layer !== "libxc" || this.#own === undefined) {
      return;
    }
    if (type === OWN_RECORD.OFFER) {
      const offer = decodeOffer(body);
      await (offer && this.#own.offer(offer, this.memory));
    } else if (type === OWN_RECORD.ITERATION_END) {
      const end = decodeIterationEnd(body);
      await (end && this.#own.endIteration(end, offset));
    }
  }

  #takeRecord({ layer, type, body, offset, name }: RecordEvent): void {
    if (layer !== "libxc") {
      return;
    }
    if (type === LIBXC_RECORD.END) {
      this.#applyState();
    } else if (STATE_RECORDS.has(type)) {
      this.#state.push({ type, body: body.slice() });
    } else if (type === LIBXC_RECORD.VERIFY) {
      this.#isVerifying = true;
    } else if (!IGNORED_RECORDS.has(type)) {
      throw new MigrationError("GUEST_STATE", { offset, record: name ?? type });
    }
  }

  /** The state is complete: it is put in while the rest of the stream is read. */
  #applyState(): void {
    this.#intake.reached("state");
    this.#applied = this.#ready(0).sink.applyState(this.#state);
    this.#applied.catch(() => undefined);
  }

  /**
   * Stores the pages that have data. Pages without were never anything but zero, or belong to no
   * memory. What follows VERIFY repeats what was sent, for comparison only.
   */
  async #takePages({ pfns, types, pages, offset, bodyBytes }: PageDataEvent): Promise<void> {
    const { sink } = this.#ready(offset);
    this.#intake.memoryBegins();
    if (this.#isVerifying) {
      return;
    }
    const outside = pfns.find((pfn) => pfn >= sink.memory.pfnCount);
    if (outside !== undefined) {
      const { pfnCount } = sink.memory;
      throw new MigrationError("GUEST_PFN_RANGE", { offset, pfn: outside, pfnCount });
    }
    const dataPfns =
      pages.length === pfns.length * PAGE_BYTES
        ? pfns
        : pfns.filter((_, index) => hasStreamData(types[index]!));
    await sink.memory.scatter(dataPfns, pages);
    this.#pages += dataPfns.length;
    this.#intake.took({ pages: dataPfns.length, bytes: RECORD_HEADER_BYTES + bodyBytes });
  }

  #ready(offset: number): { readonly config: GuestConfig; readonly sink: GuestSink } {
    const config = this.#config;
    const sink = this.#sink;
    if (config === undefined || sink === undefined) {
      throw new MigrationError("GUEST_CONFIG", { offset, reason: "the image has no xl header" });
    }
    return { config, sink };
  }
}

/** Records that say nothing an embedded guest needs. */
const IGNORED_RECORDS: ReadonlySet<number> = new Set([
  LIBXC_RECORD.STATIC_DATA_END,
  LIBXC_RECORD.X86_CPUID_POLICY,
  LIBXC_RECORD.X86_MSR_POLICY,
]);

function configText(config: Uint8Array | undefined): string {
  if (config === undefined) {
    throw new MigrationError("GUEST_CONFIG", { reason: "the image carries no configuration" });
  }
  return xlConfigText(config);
}
