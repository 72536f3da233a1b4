import type { MigrationError } from "../base/errors.ts";
import type { StreamEvent } from "../codec/events.ts";
import type { Breach } from "../codec/order.ts";
import type { PageDataHead } from "../codec/page-data.ts";
import type { ByteOrder, Layer } from "../codec/steps.ts";
import type { PageEngine } from "../engine/types.ts";
import { hasStreamData } from "../format/page-type.ts";
import type { XlSentenceName } from "../format/xl.ts";
import type { FrameStates } from "./frame-states.ts";
import { Trailing } from "./trailing.ts";
import { MemoryChecksums } from "./verify-checksums.ts";
import { allClauses, applyClauses, type Clause, type Tell } from "./verify-clauses.ts";
import { type Finding, FindingList } from "./verify-findings.ts";
import { IncomingGuest } from "./verify-guest.ts";
import { checkPageHead } from "./verify-page-heads.ts";
import { checkStartInfo, startInfoFrame } from "./verify-pv.ts";
import { StartInfoPages } from "./verify-start-info.ts";

/** What was read. */
export interface VerifySummary {
  /**
   * No finding is worse than suspicious: Xen's restore takes the stream, and the specs allow it.
   */
  readonly isAccepted: boolean;
  /** Xen's restore would stop at a finding. */
  readonly isRefused: boolean;
  /** The outermost END was reached. */
  readonly isComplete: boolean;
  /** Whether every octet was looked at, or pages were stepped over. */
  readonly depth: "index" | "deep";
  /** Outermost format; `undefined` if not even that could be told. */
  readonly format: Layer | undefined;
  readonly byteOrder: ByteOrder | undefined;
  readonly version: number | undefined;
  readonly guestType: number | undefined;
  /** Octets up to and with the outermost END, or of what could be read. */
  readonly bytes: number;
  readonly recordCount: number;
  readonly pageDataCount: number;
  /** Entries of all PAGE_DATA records, and those of them that have data. */
  readonly pageEntryCount: number;
  readonly dataPageCount: number;
  /** Frames that have memory at the end. */
  readonly frameCount: number;
  readonly checkpointCount: number;
  /** Pages that came behind VERIFY, and those that were not what had been sent (deep only). */
  readonly comparedPageCount: number;
  readonly differingPageCount: number | undefined;
  /** As {@link MemoryChecksums.digest} says; deep only, and only of streams without an end. */
  readonly memoryDigest: string | undefined;
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

const FINDINGS_MAX = 100;

/** Collects findings from the events of one stream, whoever reads it. */
export class StreamVerifier {
  readonly #findings: FindingList;
  readonly #clauses: readonly Clause[] = allClauses();
  readonly #guest: IncomingGuest;
  readonly #trailing = new Trailing();
  readonly #startInfos = new StartInfoPages();
  readonly #counts = { records: 0, pageData: 0, entries: 0, data: 0, compared: 0, checkpoints: 0 };
  readonly #seen: {
    format?: Layer;
    byteOrder?: ByteOrder;
    version?: number;
    guestType?: number;
  } = {};
  /** Looks at pages; `undefined` where only lists of frames are looked at. */
  readonly checksums: MemoryChecksums | undefined;
  #bytes = 0;
  #isComplete = false;
  #isLibxcComplete = false;
  #hasWholeCheckpoint = false;

  constructor(options: {
    readonly findingsMax?: number | undefined;
    readonly deepBy?: PageEngine | undefined;
    /** Whether it is kept where pages lie; `deepBy` only. */
    readonly places?: "keep" | "none";
  }) {
    const { findingsMax = FINDINGS_MAX, deepBy, places } = options;
    const checksums = places === "keep" ? "keep-with-places" : "keep";
    this.#findings = new FindingList(findingsMax);
    this.#guest = new IncomingGuest({ checksums: deepBy === undefined ? "none" : checksums });
    this.checksums = deepBy && new MemoryChecksums(this.#guest, deepBy);
  }

  /** The first finding that is worse than suspicious, so far. */
  get worst(): Finding | undefined {
    return this.#findings.worst;
  }

  /** Whether pages are sent again to compare them. */
  get isVerifying(): boolean {
    return this.#guest.isVerifying;
  }

  /** Whether the guest has page tables that Xen looks at. */
  get isPv(): boolean {
    return this.#guest.isPv;
  }

  /** As libxc's domain header says; `undefined` before it has come. */
  get guestType(): number | undefined {
    return this.#guest.guestType;
  }

  /** The guest's frames as restoring makes them. */
  get frames(): FrameStates {
    return this.#guest.frames;
  }

  /** What restore would stop at first; `undefined` where it would not. */
  get refusal(): Breach | undefined {
    return this.#findings.refusal;
  }

  /** The frame of a PV guest's start info, which {@link takeStartInfo} wants, if there is one. */
  get startInfoPfn(): number | undefined {
    const isSound = this.#isLibxcComplete && !this.#findings.isRefused;
    return isSound && this.#guest.isPv ? startInfoFrame(this.#guest) : undefined;
  }

  /**
   * Takes the next event, read for the purpose of inspecting; of pages that were taken elsewhere
   * {@link takeHead} and {@link takeFault} get to know.
   */
  take(event: StreamEvent): void {
    if (event.kind === "pages-taken") {
      return;
    }
    this.#note(event);
    this.#applyClauses(event);
    if (event.kind === "page-data") {
      this.checksums?.takePages(event, this.tell);
      if (this.#guest.isPv) {
        this.#startInfos.take(event);
      }
    }
  }

  /** The page of a frame that looks like a start info, if it came with its pages. */
  startInfoPage(pfn: number): Uint8Array | undefined {
    return this.#startInfos.pageOf(pfn);
  }

  /** Takes a PAGE_DATA of which the pages were stepped over, as part of a `pages-taken` event. */
  takeHead(head: PageDataHead): void {
    this.#noteHead(head);
    this.#takeOrder(head.offset);
    const place = { offset: head.offset, layer: "libxc", record: "PAGE_DATA" };
    checkPageHead(head, this.#guest, (code, severity, facts) =>
      this.tell(code, severity, { ...place, ...facts }),
    );
  }

  /** Takes what is wrong with a record that can be stepped over. */
  takeFault(error: MigrationError, offset: number): void {
    this.#counts.records++;
    this.tell(error.code, "refused", { record: "PAGE_DATA", ...error.where });
    this.#takeOrder(offset);
  }

  /** Takes the page that the start info is in. */
  takeStartInfo(page: Uint8Array): void {
    checkStartInfo(this.#guest, page, this.tell);
  }

  /** Tells a finding. */
  readonly tell: Tell = (code, severity, facts = {}) => {
    this.#findings.tell({ code, severity, facts });
  };

  /** The stream cannot be read further than `bytes` octets. */
  fail(error: MigrationError, bytes: number): void {
    if (!this.#isComplete) {
      this.#bytes = bytes;
    }
    this.#findings.tell(this.#breachOf(error));
  }

  /** What was found. Called once, after the last event. */
  finish(): VerifyResult {
    const { byteCount, sentence, isDeviceModel } = this.#trailing;
    const isExpected = sentence !== undefined || (this.#seen.format === "libxc" && isDeviceModel);
    if (byteCount > 0 && !isExpected) {
      const facts = { offset: this.#bytes, trailingBytes: byteCount };
      this.tell("STREAM_TRAILING_DATA", "violated", facts);
    }
    const { checksums } = this;
    const summary: VerifySummary = {
      isAccepted: this.#findings.isAccepted,
      isRefused: this.#findings.isRefused,
      isComplete: this.#isComplete,
      depth: checksums === undefined ? "index" : "deep",
      format: this.#seen.format,
      byteOrder: this.#seen.byteOrder,
      version: this.#seen.version,
      guestType: this.#seen.guestType,
      bytes: this.#bytes,
      recordCount: this.#counts.records,
      pageDataCount: this.#counts.pageData,
      pageEntryCount: this.#counts.entries,
      dataPageCount: this.#counts.data,
      frameCount: this.#guest.frames.populatedCount,
      checkpointCount: this.#counts.checkpoints,
      comparedPageCount: this.#counts.compared,
      differingPageCount: checksums?.differingCount,
      memoryDigest: this.#isComplete ? checksums?.digest() : undefined,
      trailingBytes: byteCount,
      trailingSentence: sentence,
      findingCount: this.#findings.count,
    };
    return { findings: this.#findings.kept, summary };
  }

  /** Says that a PAGE_DATA has come, to the clauses about order. */
  #takeOrder(offset: number): void {
    const counts = { records: 1, entries: 0, dataPages: 0 };
    this.#applyClauses({ kind: "pages-taken", layer: "libxc", offset, ...counts });
  }

  #applyClauses(event: StreamEvent): void {
    this.#guest.isRefused = this.#findings.isRefused;
    for (const breach of applyClauses(this.#clauses, event, this.#guest)) {
      this.#findings.tell(breach);
    }
  }

  /**
   * libxl takes the end of a file behind libxc's END for its own; with a device model it lacks that
   * one's state. Remus goes on from the last checkpoint that is whole.
   *
   * @source seen of xl 4.17; xg_sr_restore.c restore, remus_failover
   */
  #breachOf(error: MigrationError): Breach {
    const isTakenForEnd = this.#isLibxcComplete && this.#guest.config?.hasDeviceModel !== true;
    const isSurvived = isTakenForEnd || this.#hasWholeCheckpoint;
    const severity = error.code === "STREAM_TRUNCATED" && isSurvived ? "violated" : "refused";
    return { code: error.code, severity, facts: error.where };
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
        this.#hasWholeCheckpoint ||= event.name === "CHECKPOINT_END";
        this.#isLibxcComplete ||= event.layer === "libxc" && event.name === "END";
        break;
      case "page-data":
        this.#noteHead(event);
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

  #noteHead({ types }: PageDataHead): void {
    const dataPages = types.reduce((count, type) => count + (hasStreamData(type) ? 1 : 0), 0);
    this.#counts.records++;
    this.#counts.pageData++;
    this.#counts.entries += types.length;
    this.#counts.data += dataPages;
    this.#counts.compared += this.#guest.isVerifying ? dataPages : 0;
  }
}
