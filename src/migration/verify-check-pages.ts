import { closeSync } from "node:fs";
import { availableParallelism } from "node:os";
import { MigrationError } from "../base/errors.ts";
import type { PageDataHead } from "../codec/page-data.ts";
import type { PageEngine } from "../engine/types.ts";
import { hasStreamData } from "../format/page-type.ts";
import { type PumpAddon, type PumpCancel, probePump, pumpError } from "../transport/pump-addon.ts";
import type { StreamVerifier } from "./stream-verifier.ts";

/** Pages looked at by the first call of the add-on, 16 MiB, so that it starts soon; then twice. */
const BATCH_PAGES_MIN = 4096;
const BATCH_PAGES_MAX = 32_768;

/** Threads that read a file; more would wait for each other. */
const THREADS_MAX = 4;

/** Pages of one record, in a row in the file. */
interface Range {
  readonly offset: number;
  readonly recordOffset: number;
  readonly pfns: Uint32Array;
  readonly isCompared: boolean;
}

/** Looks at pages of a file on threads of its own, while the next records are found. */
export interface PageChecker {
  /** Takes the pages behind a head, whose memory the caller may reuse. */
  take(head: PageDataHead, verifier: StreamVerifier): Promise<void>;
  /**
   * Waits until all have been looked at. The last call.
   *
   * @throws MigrationError STREAM_TRUNCATED, TRANSPORT_LOST; the signal's reason.
   */
  finish(): Promise<void>;
  /** Ends it, whatever is still to be looked at. Harmless after `finish`. */
  giveUp(): Promise<void>;
}

/**
 * Makes what looks at pages of a file.
 *
 * @param fd of a regular file; the caller's.
 * @returns `undefined` where the native engine is not used: pages then come as events.
 */
export function makePageChecker(
  fd: number,
  engine: PageEngine,
  signal: AbortSignal | undefined,
): PageChecker | undefined {
  const { addon } = engine.name === "native" ? probePump() : {};
  return addon && new ThreadedChecker(addon, fd, signal);
}

class ThreadedChecker implements PageChecker {
  readonly #addon: PumpAddon;
  readonly #fd: number;
  readonly #cancel: PumpCancel;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  #ranges: Range[] = [];
  #pageCount = 0;
  #batchPages = BATCH_PAGES_MIN;
  #verifier: StreamVerifier | undefined;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(addon: PumpAddon, fd: number, signal: AbortSignal | undefined) {
    this.#addon = addon;
    this.#fd = addon.duplicate(fd);
    if (this.#fd < 0) {
      throw new MigrationError("TRANSPORT_OPEN", { call: "dup", errno: -this.#fd });
    }
    this.#cancel = new addon.Cancel();
    this.#signal = signal;
    this.#onAbort = () => this.#cancel.fire();
    signal?.addEventListener("abort", this.#onAbort);
  }

  async take(head: PageDataHead, verifier: StreamVerifier): Promise<void> {
    const { types, pagesOffset: offset, offset: recordOffset } = head;
    const pfns = head.pfns.filter((_, index) => hasStreamData(types[index]!));
    this.#verifier = verifier;
    this.#ranges.push({ offset, recordOffset, pfns, isCompared: verifier.isVerifying });
    this.#pageCount += pfns.length;
    if (this.#pageCount >= this.#batchPages) {
      this.#batchPages = Math.min(this.#batchPages * 2, BATCH_PAGES_MAX);
      await this.#running;
      this.#start();
    }
  }

  async finish(): Promise<void> {
    try {
      await this.#running;
      this.#start();
      await this.#running;
    } finally {
      this.#close();
    }
  }

  async giveUp(): Promise<void> {
    this.#cancel.fire();
    await this.#running.catch(() => {});
    this.#close();
  }

  /** Hands what has been gathered to the threads; an error comes when they are waited for. */
  #start(): void {
    const ranges = this.#ranges;
    const crcs = new Uint32Array(this.#pageCount);
    this.#ranges = [];
    this.#pageCount = 0;
    this.#running = this.#run(ranges, crcs);
    this.#running.catch(() => {});
  }

  async #run(ranges: readonly Range[], crcs: Uint32Array): Promise<void> {
    const { failure } = await this.#addon.checksumFile({
      fd: this.#fd,
      offsets: Float64Array.from(ranges, ({ offset }) => offset),
      pageCounts: Uint32Array.from(ranges, ({ pfns }) => pfns.length),
      crcs,
      threadCount: Math.min(availableParallelism(), THREADS_MAX),
      cancel: this.#cancel,
    });
    this.#signal?.throwIfAborted();
    if (failure !== undefined) {
      throw pumpError(failure) ?? new MigrationError("MIGRATION_INTERRUPTED");
    }
    let taken = 0;
    for (const { pfns, recordOffset: offset, offset: pagesOffset, isCompared } of ranges) {
      const { checksums, tell } = this.#verifier!;
      const own = crcs.subarray(taken, taken + pfns.length);
      checksums?.takeCrcs(pfns, own, { offset, pagesOffset, isCompared, tell });
      taken += pfns.length;
    }
  }

  #close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#signal?.removeEventListener("abort", this.#onAbort);
      closeSync(this.#fd);
    }
  }
}
