import { MigrationError } from "../base/errors.ts";
import type { ByteSink } from "../base/io.ts";
import { PAGE_BYTES, roundUp } from "../base/units.ts";
import type { PageDataEvent, StreamEvent, XlHeader } from "../codec/events.ts";
import { withConfig } from "../codec/headers.ts";
import { madeRecord } from "../codec/made-events.ts";
import { StreamEncoder } from "../codec/stream-writer.ts";
import type { PageEngine } from "../engine/types.ts";
import {
  LIBXC_RECORD,
  PAGE_DATA_HEAD_BYTES,
  PFN_WORD_BYTES,
  RECORD_ALIGN_BYTES,
  RECORD_HEADER_BYTES,
} from "../format/libxc.ts";
import { PAGE_ALIGNMENT, pageAlignmentBytes } from "../format/page-alignment.ts";
import { XL_HEADER_BYTES } from "../format/xl.ts";
import { StreamVerifier, type VerifyResult } from "./stream-verifier.ts";

/** How a rewritten stream goes out. */
export interface OutputOptions {
  /** At offset 0. */
  readonly sink: ByteSink;
  readonly engine: PageEngine;
  /** Whether pages start at multiples of 4096, and pages of zeros are holes of a file. */
  readonly alignsPages: boolean;
  /** `accepted`: nothing is written that `verify` would not accept. */
  readonly writes: "accepted" | "all";
}

/** Verifies and writes a stream. */
export class RewriteOutput {
  readonly #options: OutputOptions;
  readonly #verifier: StreamVerifier;
  readonly #encoder: StreamEncoder;
  #isAligned = false;
  #pageEntries = 0;

  constructor(options: OutputOptions) {
    this.#options = options;
    this.#verifier = new StreamVerifier({ deepBy: options.engine });
    this.#encoder = new StreamEncoder(options.engine);
  }

  /** Page entries written. */
  get pageEntries(): number {
    return this.#pageEntries;
  }

  /**
   * Writes an event, or refuses to.
   *
   * @throws MigrationError REWRITE_REFUSED, STREAM_XL_CONFIG, USAGE_ARGUMENT, TRANSPORT_*
   */
  async take(event: StreamEvent): Promise<void> {
    if (!this.#options.alignsPages) {
      await this.#write(event);
    } else if (event.kind === "xl-header") {
      await this.#write({ ...event, header: alignedHeader(event.header) });
    } else if (event.kind === "page-data") {
      await (event.pages.length > 0 && this.#align(event));
      await this.#write(event);
    } else {
      this.#refuseCheckpoint(event);
      await this.#write(event);
    }
  }

  /** What is to be said of all that was written. Called once, last. @throws REWRITE_REFUSED */
  finish(): VerifyResult {
    const result = this.#verifier.finish();
    this.#refuseWorst();
    return result;
  }

  /** Writes what puts the pages of the PAGE_DATA that comes next at a multiple of their size. */
  async #align({ pfns, byteOrder }: PageDataEvent): Promise<void> {
    const { offset } = this.#options.sink;
    const headBytes = RECORD_HEADER_BYTES + PAGE_DATA_HEAD_BYTES + pfns.length * PFN_WORD_BYTES;
    const recordBytes = pageAlignmentBytes(offset, headBytes);
    if (recordBytes > 0) {
      const body = new Uint8Array(recordBytes - RECORD_HEADER_BYTES);
      await this.#write(madeRecord({ layer: "libxc", type: PAGE_ALIGNMENT, body, byteOrder }, 0));
      this.#isAligned = true;
    }
  }

  async #write(event: StreamEvent): Promise<void> {
    this.#verify(event);
    const { sink, alignsPages } = this.#options;
    const chunks = this.#encoder.encode(event);
    const [head, pages] = chunks;
    this.#pageEntries += event.kind === "page-data" ? event.pfns.length : 0;
    const hasPages = event.kind === "page-data" && pages === event.pages;
    if (hasPages && alignsPages && sink.direct?.isPositioned === true) {
      await sink.write(head!);
      await this.#writePages(event.pages);
    } else if (chunks.length > 0) {
      await sink.write(...chunks);
    }
  }

  /** Writes pages to a file, in which those of zeros stay holes. */
  async #writePages(pages: Uint8Array): Promise<void> {
    const { sink, engine } = this.#options;
    const pageCount = pages.length / PAGE_BYTES;
    const isZero = new Uint8Array(pageCount);
    engine.findZeroPages(pages, Uint32Array.from(isZero.keys()), isZero);
    for (let first = 0; first < pageCount; ) {
      let end = first + 1;
      while (end < pageCount && isZero[end] === isZero[first]) {
        end++;
      }
      if (isZero[first] !== 0) {
        sink.direct?.advance((end - first) * PAGE_BYTES);
      } else {
        await sink.write(pages.subarray(first * PAGE_BYTES, end * PAGE_BYTES));
      }
      first = end;
    }
  }

  /** @throws MigrationError REWRITE_REFUSED */
  #verify(event: StreamEvent): void {
    const { offset } = this.#options.sink;
    this.#verifier.take(event.kind === "fault" ? event : { ...event, offset });
    if (event.kind === "record" && event.layer === "libxc" && event.type === LIBXC_RECORD.END) {
      this.#verifyStartInfo();
    }
    this.#refuseWorst();
  }

  #refuseWorst(): void {
    const { worst } = this.#verifier;
    if (worst !== undefined && this.#options.writes === "accepted") {
      const { code, severity, sentence, layer, record, facts } = worst;
      const where = { offset: worst.offset, finding: code, severity, layer, record, ...facts };
      throw new MigrationError("REWRITE_REFUSED", { ...where, sentence });
    }
  }

  /** The page that a PV guest's start info is in names two more frames. */
  #verifyStartInfo(): void {
    const { startInfoPfn } = this.#verifier;
    const page =
      startInfoPfn === undefined ? undefined : this.#verifier.startInfoPage(startInfoPfn);
    if (page !== undefined) {
      this.#verifier.takeStartInfo(page);
    }
  }

  /** @source xg_sr_restore.c handle_checkpoint: an optional record fails it */
  #refuseCheckpoint(event: StreamEvent): void {
    const isCheckpoint = event.kind === "record" && event.type === LIBXC_RECORD.CHECKPOINT;
    if (isCheckpoint && event.layer === "libxc" && this.#isAligned) {
      const needs = "--fold with --align-pages: restore takes no such records between checkpoints";
      throw new MigrationError("USAGE_ARGUMENT", { needs });
    }
  }
}

/**
 * The header with spaces behind its configuration, so that it ends at a multiple of 8.
 *
 * @throws MigrationError STREAM_XL_CONFIG if there is none.
 */
function alignedHeader(header: XlHeader): XlHeader {
  const headerBytes = XL_HEADER_BYTES + header.optionalData.length;
  const spaceCount = roundUp(headerBytes, RECORD_ALIGN_BYTES) - headerBytes;
  if (spaceCount === 0) {
    return header;
  }
  const { config } = header;
  if (config === undefined) {
    throw new MigrationError("STREAM_XL_CONFIG", { layer: "xl", needs: "a place for spaces" });
  }
  const nul = config.indexOf(0);
  const end = nul === -1 ? config.length : nul;
  const padded = new Uint8Array(config.length + spaceCount).fill(0x20);
  padded.set(config.subarray(0, end));
  padded.set(config.subarray(end), end + spaceCount);
  return withConfig(header, padded);
}
