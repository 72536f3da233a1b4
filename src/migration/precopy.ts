import type { Clock } from "../base/clock.ts";
import { MigrationError } from "../base/errors.ts";
import { bitmapBytes } from "../base/units.ts";
import type { PageEngine } from "../engine/types.ts";
import type { LogDirty, SourceMemory } from "../guest/types.ts";
import type { PrecopyPolicy } from "../model/policy.ts";
import type { DirtyCurve, IterationStatistics } from "../report/profile.ts";
import type { GuestThrottle } from "./guest-throttle.ts";
import type { ProgressListener } from "./progress.ts";
import { fullBitmap, type PumpCounts, type SendPump } from "./pump.ts";

/** Whether pages of zeros go without their data in the first iteration. */
export type ZeroPages = "elide" | "send";

/** A guest as far as the loop knows it. */
export interface TransferredGuest {
  readonly memory: Pick<SourceMemory, "pfnCount"> & Partial<Pick<SourceMemory, "populated">>;
  readonly logDirty: Pick<LogDirty, "cleanDirty">;
}

/** What the loop over iterations works with. */
export interface MemoryTransferParts {
  readonly guest: TransferredGuest;
  readonly engine: Pick<PageEngine, "orBitmap">;
  readonly pump: SendPump;
  readonly policy: PrecopyPolicy;
  readonly clock: Clock;
  readonly onProgress: ProgressListener;
  readonly signal: AbortSignal;
  readonly zeroPages: ZeroPages;
  /** Slows the guest down where the loop does not converge; absent unless asked for. */
  readonly throttle?: GuestThrottle | undefined;
  /** When the operation began, on `clock`; now unless given. */
  readonly startMs?: number | undefined;
  readonly watch?: IterationWatch | undefined;
}

/** Looks at iterations more closely, for profiles. */
export interface IterationWatch {
  /**
   * The pages of `dirtyBitmap` are about to be sent: while the guest runs, or once it stands still,
   * of which this is told before. Returns at once, and has kept what it needs of the bitmap.
   */
  begins(iteration: number, dirtyBitmap: Uint8Array, phase: IterationStatistics["phase"]): void;
  /**
   * The pages of a live iteration have been sent.
   *
   * @returns what was seen meanwhile; nothing is asked of the guest any more when it resolves.
   */
  ends(): Promise<DirtyCurve>;
}

/**
 * Sends a guest's memory in iterations: while it runs, then once more when it stands still.
 *
 * Pages that were not sent when an iteration ended (deferred) are remembered for the final one.
 */
export class MemoryTransfer {
  /** Those until the guest stood still for the first time. */
  readonly iterations: IterationStatistics[] = [];
  readonly #parts: MemoryTransferParts;
  readonly #dirty: Uint8Array;
  readonly #deferred: Uint8Array;
  readonly #startMs: number;
  /** What times of iterations count from. */
  readonly #originMs: number;
  /** Of the next iteration. */
  #iteration = 0;
  #bytesBefore = 0;
  /** Pages that wait to be sent; a page may count twice. */
  #waitingPages: number;
  #deferredPages = 0;

  constructor(parts: MemoryTransferParts) {
    const { pfnCount } = parts.guest.memory;
    this.#parts = parts;
    this.#dirty = fullBitmap(pfnCount);
    this.#deferred = new Uint8Array(bitmapBytes(pfnCount));
    this.#startMs = parts.clock.nowMs();
    this.#originMs = parts.startMs ?? this.#startMs;
    this.#waitingPages = pfnCount;
  }

  /**
   * Runs pre-copy iterations until the policy says stop. Log-dirty is enabled.
   *
   * @returns why it ended.
   * @throws MigrationError MIGRATION_ABORTED when the policy gives up; POLICY_*, GUEST_*,
   *   TRANSPORT_*
   */
  async precopy(): Promise<string> {
    const { policy, onProgress, throttle } = this.#parts;
    onProgress({ kind: "phase", phase: "precopy" });
    for (;;) {
      await this.#liveIteration();
      const dirtyPages = this.#waitingPages + this.#deferredPages;
      const elapsedMs = this.#parts.clock.nowMs() - this.#startMs;
      await throttle?.observe(this.iterations.at(-1)!);
      const decision = policy.decide({
        iterations: this.iterations,
        dirtyPages,
        elapsedMs,
        ...(throttle && { throttle: throttle.state }),
      });
      onProgress({ kind: "decision", ...decision });
      if (decision.action === "abort") {
        throw new MigrationError("MIGRATION_ABORTED", { reason: decision.reason });
      }
      if (decision.action === "stop-and-copy") {
        return decision.reason;
      }
    }
  }

  /**
   * Reads the dirty bitmap and adds it to what is still to be sent: of the suspended guest, and
   * once shortly before, so that what the kernel has to read is in the caches by then.
   */
  async harvest(): Promise<void> {
    const { guest, engine } = this.#parts;
    this.#waitingPages += await guest.logDirty.cleanDirty(this.#dirty);
    if (this.#deferredPages > 0) {
      engine.orBitmap(this.#dirty, this.#deferred);
      this.#waitingPages += this.#deferredPages;
      this.#deferredPages = 0;
    }
  }

  /** Says to the watch what is going to be left, as far as is known; before the suspension. */
  foreseeFinalCopy(): void {
    this.#parts.watch?.begins(this.#iteration, this.#dirty, "stop-and-copy");
  }

  /** Sends what is left of the suspended guest's memory; all of it where nothing was sent yet. */
  async finalCopy(): Promise<void> {
    const { clock } = this.#parts;
    const startMs = clock.nowMs();
    const pagesPlanned = this.#waitingPages;
    const counts = await this.#send(pagesPlanned);
    const durationMs = clock.nowMs() - startMs;
    this.#waitingPages = 0;
    this.#record({
      ...statisticsOf(counts, durationMs),
      iteration: this.#iteration,
      phase: "stop-and-copy",
      startMs: startMs - this.#originMs,
      pagesPlanned,
      dirtyPagesAtEnd: "unknown",
      logDirtyMs: 0,
      durationMs,
      dirtyPagesPerSecond: 0,
    });
  }

  /**
   * Sends what the guest, suspended once more, has written since the copy before: a checkpoint, of
   * which there may be any number, so that nothing is kept of it.
   */
  async checkpointCopy(): Promise<void> {
    await this.harvest();
    await this.#send(this.#waitingPages);
    this.#waitingPages = 0;
    this.#iteration += 1;
  }

  async #liveIteration(): Promise<void> {
    const { guest, clock, watch, pump, signal } = this.#parts;
    const startMs = clock.nowMs();
    const pagesPlanned = this.#waitingPages;
    watch?.begins(this.#iteration, this.#dirty, "precopy");
    const counts = await this.#send(pagesPlanned);
    const acceptedMs = clock.nowMs();
    await pump.drain(signal);
    const drainMs = clock.nowMs() - acceptedMs;
    const dirtyCurve = (await watch?.ends()) ?? [];
    this.#deferredPages += counts.pagesDeferred;
    const sentMs = clock.nowMs();
    const dirtyPagesAtEnd = await guest.logDirty.cleanDirty(this.#dirty);
    this.#waitingPages = dirtyPagesAtEnd;
    const endMs = clock.nowMs();
    const durationMs = endMs - startMs;
    this.#record({
      ...statisticsOf(counts, sentMs - startMs),
      iteration: this.#iteration,
      phase: "precopy",
      startMs: startMs - this.#originMs,
      parts: { ...counts.parts, drainMs },
      pagesPlanned,
      dirtyPagesAtEnd,
      logDirtyMs: endMs - sentMs,
      durationMs,
      dirtyPagesPerSecond: perSecond(dirtyPagesAtEnd, durationMs),
      ...(dirtyCurve.length > 0 && { dirtyCurve }),
    });
  }

  async #send(pagesPlanned: number): Promise<PumpCounts> {
    const { guest, pump, onProgress, signal } = this.#parts;
    const iteration = this.#iteration;
    const populatedBitmap = iteration === 0 ? await this.#populated(guest) : undefined;
    return pump.send({
      dirtyBitmap: this.#dirty,
      ...(populatedBitmap === undefined ? {} : { populatedBitmap }),
      deferredBitmap: this.#deferred,
      pagesPlanned,
      elidesZeroPages: iteration === 0 && this.#parts.zeroPages === "elide",
      signal,
      onProgress: (counts) => {
        const pagesDone =
          counts.pagesSent +
          counts.pagesAllocateOnly +
          counts.pagesDeferred +
          counts.pagesUnchanged;
        const bytes = this.#bytesBefore + counts.bytes;
        onProgress({ kind: "pages", iteration, pagesDone, pagesPlanned, bytes });
      },
    });
  }

  /** `undefined` where the pump finds it out. */
  async #populated({ memory }: TransferredGuest): Promise<Uint8Array | undefined> {
    if (memory.populated === undefined) {
      return undefined;
    }
    const bitmap = new Uint8Array(this.#dirty.length);
    await memory.populated(bitmap);
    return bitmap;
  }

  #record(statistics: IterationStatistics): void {
    this.#bytesBefore += statistics.bytes;
    this.#iteration += 1;
    this.iterations.push(statistics);
    this.#parts.onProgress({ kind: "iteration", statistics });
  }
}

function statisticsOf(counts: PumpCounts, sendMs: number) {
  return {
    pagesSent: counts.pagesSent,
    pagesAllocateOnly: counts.pagesAllocateOnly,
    pagesDeferred: counts.pagesDeferred,
    pagesUnchanged: counts.pagesUnchanged,
    bytes: counts.bytes,
    scanMs: counts.scanMs,
    parts: counts.parts,
    sendMs,
    bytesPerSecond: perSecond(counts.bytes, sendMs),
  };
}

function perSecond(count: number, durationMs: number): number {
  return durationMs > 0 ? (count * 1000) / durationMs : 0;
}
