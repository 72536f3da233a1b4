import { type ErrorCode, type ErrorFacts, MigrationError, sentenceOf } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import type { StreamEvent } from "../codec/events.ts";
import type { Breach, Severity } from "../codec/order.ts";
import { pullEvents } from "../codec/pull.ts";
import type { ByteOrder, Layer } from "../codec/steps.ts";
import type { XlSentenceName } from "../format/xl.ts";
import { Trailing } from "./trailing.ts";
import { allClauses, applyClauses, type Clause, VerifyContext } from "./verify-clauses.ts";

/** How to read a stream to look at it. */
export interface ReadingOptions {
  readonly pageDataHead: PageDataHeadCodec;
  /** Called about once a MiB with the octets of the decompressed stream read so far. */
  readonly onProgress?: ((bytesRead: number) => void) | undefined;
  /** Checked at each record; its reason is thrown. Close the source to stop a read under way. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link verifyStream}. */
export interface VerifyOptions extends ReadingOptions {
  /** Findings that are kept; the rest is counted. 100 unless said otherwise. */
  readonly findingsMax?: number | undefined;
}

/** One thing that is wrong with a stream. */
export interface Finding {
  readonly code: ErrorCode;
  readonly severity: Severity;
  /** Where, in octets of the decompressed stream. */
  readonly offset: number | undefined;
  readonly layer: string | undefined;
  readonly record: string | undefined;
  readonly sentence: string;
  /** Everything else that is known. */
  readonly facts: ErrorFacts;
}

/** What was read. */
export interface VerifySummary {
  /**
   * No finding is worse than suspicious: Xen's restore takes the stream, and the specs allow it.
   */
  readonly isAccepted: boolean;
  /** The outermost END was reached. */
  readonly isComplete: boolean;
  /** Outermost format; `undefined` if not even that could be told. */
  readonly format: Layer | undefined;
  readonly byteOrder: ByteOrder | undefined;
  readonly version: number | undefined;
  readonly guestType: number | undefined;
  /** Octets up to and with the outermost END, or of what could be read. */
  readonly bytes: number;
  readonly recordCount: number;
  readonly pageDataCount: number;
  /** Entries of all PAGE_DATA records. */
  readonly pageEntryCount: number;
  readonly checkpointCount: number;
  readonly trailingBytes: number;
  /** The hand-shake sentence that follows in a captured migration, which is no fault. */
  readonly trailingSentence: XlSentenceName | undefined;
  /** All findings, also those not kept. */
  readonly findingCount: number;
}

/** A stream's findings in the order of the stream, and what was read. */
export interface VerifyResult {
  readonly findings: readonly Finding[];
  readonly summary: VerifySummary;
}

/**
 * Reads a whole stream and tells what is wrong with it, in memory that does not grow with it.
 *
 * What is wrong is data, not an exception: also a stream that ends too early or is no image.
 *
 * @param source closing it is the caller's.
 * @throws MigrationError TRANSPORT_*; the signal's reason.
 */
export async function verifyStream(
  source: ByteSource,
  options: VerifyOptions,
): Promise<VerifyResult> {
  const verifier = new StreamVerifier(options);
  try {
    for await (const event of watchedEvents(source, options)) {
      verifier.take(event);
    }
  } catch (error) {
    verifier.fail(streamError(error), source.offset);
  }
  return verifier.finish();
}

/** Reads to inspect, to the very end, and keeps the caller informed. */
export async function* watchedEvents(
  source: ByteSource,
  options: ReadingOptions,
): AsyncGenerator<StreamEvent, void, undefined> {
  const { pageDataHead, onProgress, signal } = options;
  let told = source.offset;
  const reading = { purpose: "inspect", afterEnd: "read" } as const;
  for await (const event of pullEvents(source, pageDataHead, reading)) {
    signal?.throwIfAborted();
    yield event;
    if (source.offset - told >= PROGRESS_BYTES) {
      told = source.offset;
      onProgress?.(told);
    }
  }
  onProgress?.(source.offset);
}

/**
 * `error` if a stream is at fault; anything else is thrown again.
 *
 * @throws whatever is not about a stream.
 */
export function streamError(error: unknown): MigrationError {
  if (error instanceof MigrationError && /^(STREAM|RECORD|PAGE_DATA)_/.test(error.code)) {
    return error;
  }
  throw error;
}

const PROGRESS_BYTES = 1024 * 1024;
const FINDINGS_MAX = 100;

/** Collects findings from the events of one stream, whoever reads it. */
export class StreamVerifier {
  readonly #findingsMax: number;
  readonly #clauses: readonly Clause[] = allClauses();
  readonly #context = new VerifyContext();
  readonly #findings: Finding[] = [];
  readonly #trailing = new Trailing();
  readonly #counts = { records: 0, pageData: 0, pageEntries: 0, checkpoints: 0, findings: 0 };
  readonly #seen: {
    format?: Layer;
    byteOrder?: ByteOrder;
    version?: number;
    guestType?: number;
  } = {};
  #isAccepted = true;
  #bytes = 0;
  #isComplete = false;

  constructor(options: { readonly findingsMax?: number | undefined }) {
    this.#findingsMax = options.findingsMax ?? FINDINGS_MAX;
  }

  /** Takes the next event, read for the purpose of inspecting. */
  take(event: StreamEvent): void {
    this.#note(event);
    for (const breach of applyClauses(this.#clauses, event, this.#context)) {
      this.#tell(breach);
    }
  }

  /** The stream cannot be read further than `bytes` octets. */
  fail(error: MigrationError, bytes: number): void {
    if (!this.#isComplete) {
      this.#bytes = bytes;
    }
    this.#tell({ code: error.code, severity: "refused", facts: error.where });
  }

  /** What was found. Called once, after the last event. */
  finish(): VerifyResult {
    const { byteCount, sentence, isDeviceModel } = this.#trailing;
    const isExpected = sentence !== undefined || (this.#seen.format === "libxc" && isDeviceModel);
    if (byteCount > 0 && !isExpected) {
      const facts = { offset: this.#bytes, trailingBytes: byteCount };
      this.#tell({ code: "STREAM_TRAILING_DATA", severity: "violated", facts });
    }
    const summary: VerifySummary = {
      isAccepted: this.#isAccepted,
      isComplete: this.#isComplete,
      format: this.#seen.format,
      byteOrder: this.#seen.byteOrder,
      version: this.#seen.version,
      guestType: this.#seen.guestType,
      bytes: this.#bytes,
      recordCount: this.#counts.records,
      pageDataCount: this.#counts.pageData,
      pageEntryCount: this.#counts.pageEntries,
      checkpointCount: this.#counts.checkpoints,
      trailingBytes: byteCount,
      trailingSentence: sentence,
      findingCount: this.#counts.findings,
    };
    return { findings: this.#findings, summary };
  }

  #note(event: StreamEvent): void {
    const seen = this.#seen;
    switch (event.kind) {
      case "xl-header":
        seen.format = "xl";
        break;
      case "libxl-header":
        seen.format ??= "libxl";
        break;
      case "image-header":
        seen.format ??= "libxc";
        seen.byteOrder = event.header.byteOrder;
        seen.version = event.header.version;
        break;
      case "domain-header":
        seen.guestType = event.header.guestType;
        break;
      case "record":
        this.#counts.records += event.isInferred ? 0 : 1;
        this.#counts.checkpoints += event.name === "CHECKPOINT" ? 1 : 0;
        break;
      case "page-data":
        this.#counts.records++;
        this.#counts.pageData++;
        this.#counts.pageEntries += event.pfns.length;
        break;
      case "end":
        this.#isComplete = true;
        this.#bytes = event.offset;
        break;
      case "trailing":
        this.#trailing.take(event);
        break;
      default:
        break;
    }
  }

  #tell({ code, severity, facts }: Breach): void {
    this.#counts.findings++;
    this.#isAccepted &&= severity === "suspicious";
    if (this.#findings.length < this.#findingsMax) {
      const { offset, layer, record, ...rest } = facts;
      this.#findings.push({
        code,
        severity,
        offset: typeof offset === "number" ? offset : undefined,
        layer: layer === undefined ? undefined : String(layer),
        record: record === undefined ? undefined : String(record),
        sentence: sentenceOf(code),
        facts: rest,
      });
    }
  }
}
