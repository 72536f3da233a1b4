import type { Clock } from "../base/clock.ts";
import { MigrationError } from "../base/errors.ts";
import type { ByteSink } from "../base/io.ts";
import type { PageEngine } from "../engine/types.ts";
import type { GuestSource, VcpuCounters } from "../guest/types.ts";
import type { PrecopyPolicy } from "../model/policy.ts";
import type { IterationStatistics } from "../report/profile.ts";
import { choosePump } from "./choose-pump.ts";
import { GuestThrottle } from "./guest-throttle.ts";
import { createImageWriter } from "./image-writer.ts";
import { orInterruption, throwIfInterrupted } from "./interruption.ts";
import { type IterationWatch, MemoryTransfer, type ZeroPages } from "./precopy.ts";
import type { ProgressListener } from "./progress.ts";
import type { PumpOptions, SendPump } from "./pump.ts";

/** How a guest is sent. */
export interface TransferOptions {
  readonly guest: GuestSource;
  readonly engine: PageEngine;
  readonly sink: ByteSink;
  /** `non-live` suspends first and sends everything once. */
  readonly mode: "live" | "non-live";
  readonly policy: PrecopyPolicy;
  readonly clock: Clock;
  readonly onProgress: ProgressListener;
  /** Aborting gives the transfer up; the guest runs on. */
  readonly signal: AbortSignal;
  readonly zeroPages: ZeroPages;
  readonly pump: PumpOptions;
  /** Whether the guest is slowed down where pre-copy does not converge. */
  readonly throttles?: boolean;
  /** When the operation began, on `clock`; now unless given. */
  readonly startMs?: number | undefined;
  readonly watch?: IterationWatch | undefined;
  /** Called behind the stream's headers, before any page. */
  readonly beforePages?: (sink: ByteSink, pump: SendPump) => Promise<void>;
}

/** A stream that was sent to its END, of a guest that is now suspended. */
export interface TransferOutcome {
  readonly iterations: readonly IterationStatistics[];
  readonly stopReason: string;
  readonly pump: SendPump["name"];
  /** Octets that were written to a file past the page cache. */
  readonly directBytes: number;
  /** On the transfer's clock: when the suspension was asked for, and when END was accepted. */
  readonly suspendStartMs: number;
  readonly streamEndMs: number;
  readonly suspendMs: number;
  readonly harvestMs: number;
  readonly finalCopyMs: number;
  readonly stateMs: number;
  /** Counters of the suspended guest: asked for behind END, as nothing waits for them. */
  readonly vcpusAtStop: Promise<readonly VcpuCounters[]>;
  /** Octets of the stream, headers included. */
  readonly totalBytes: number;
  /** Lets the guest run on here, or stay paused if it was: for failures after the stream. */
  readonly takeBack: () => Promise<void>;
}

/**
 * Sends a guest as an image: xl header, libxl stream, libxc stream, all the way to END.
 *
 * On success the guest is suspended and log-dirty off; the caller decides what becomes of it. On
 * any failure it runs again (or stays paused, if it was) before the error is thrown.
 *
 * @throws MigrationError MIGRATION_INTERRUPTED, MIGRATION_ABORTED, TRANSPORT_*, GUEST_*
 */
export async function transferGuest(options: TransferOptions): Promise<TransferOutcome> {
  const undo = new Undo(options.guest);
  try {
    return await transfer(options, undo);
  } catch (error) {
    await undo.run(error);
    throw orInterruption(options.signal, error);
  }
}

async function transfer(options: TransferOptions, undo: Undo): Promise<TransferOutcome> {
  const { guest, engine, sink, policy, clock, onProgress, signal } = options;
  const throwIfAborted = () => throwIfInterrupted(signal);
  onProgress({ kind: "phase", phase: "setup" });
  const wasRunning = (await guest.status()).runState === "running";
  const layout = options.pump.alignsPages === true ? "aligned" : "dense";
  const writer = createImageWriter(sink, engine, layout);
  await writer.begin(guest.config);
  const pump = choosePump({ memory: guest.memory, engine, sink, clock, options: options.pump });
  await options.beforePages?.(sink, pump);
  const throttle = throttleFor(options);
  undo.releases(throttle);
  const memory = new MemoryTransfer({
    guest,
    engine,
    pump,
    policy,
    clock,
    onProgress,
    signal,
    zeroPages: options.zeroPages,
    throttle,
    startMs: options.startMs,
    watch: options.watch,
  });
  const isLive = options.mode === "live" && wasRunning;
  let stopReason = wasRunning ? "non-live" : "the guest does not run";
  if (isLive) {
    undo.disablesLogDirty();
    await guest.logDirty.enable();
    stopReason = await memory.precopy();
    await memory.harvest();
    memory.foreseeFinalCopy();
    await guest.rehearse();
  } else {
    memory.foreseeFinalCopy();
  }
  throwIfAborted();

  onProgress({ kind: "phase", phase: "suspend" });
  const suspendStartMs = clock.nowMs();
  if (wasRunning) {
    undo.resumes();
    await guest.suspend();
  }
  const suspendedMs = clock.nowMs();
  onProgress({ kind: "phase", phase: "stop-and-copy" });
  // Answered while the bitmap is read and pages are sent.
  const state = guest.state();
  state.catch(() => undefined);
  if (isLive) {
    await memory.harvest();
  }
  const finalStartMs = clock.nowMs();
  await memory.finalCopy();
  const stateStartMs = clock.nowMs();
  onProgress({ kind: "phase", phase: "state" });
  throwIfAborted();
  await writer.finish(await state);
  const streamEndMs = clock.nowMs();
  const vcpusAtStop = guest.status().then(({ vcpus }) => vcpus);
  vcpusAtStop.catch(() => undefined);
  return {
    iterations: memory.iterations,
    stopReason,
    pump: pump.name,
    directBytes: pump.directBytes,
    suspendStartMs,
    streamEndMs,
    suspendMs: suspendedMs - suspendStartMs,
    harvestMs: finalStartMs - suspendedMs,
    finalCopyMs: stateStartMs - finalStartMs,
    stateMs: streamEndMs - stateStartMs,
    vcpusAtStop,
    totalBytes: sink.offset,
    takeBack: () => undo.run(undefined),
  };
}

/** @throws MigrationError GUEST_UNAVAILABLE this guest cannot be slowed down */
function throttleFor({ guest, throttles, onProgress }: TransferOptions) {
  if (throttles !== true) {
    return undefined;
  }
  if (guest.throttle === undefined) {
    const reason = "it cannot be slowed down";
    throw new MigrationError("GUEST_UNAVAILABLE", { guest: guest.config.name, reason });
  }
  return new GuestThrottle((percent) => guest.throttle!(percent), onProgress);
}

/** Gives the guest back what a failed transfer took from it. */
class Undo {
  readonly #guest: GuestSource;
  #resumes = false;
  #disablesLogDirty = false;
  #throttle: GuestThrottle | undefined;

  constructor(guest: GuestSource) {
    this.#guest = guest;
  }

  resumes(): void {
    this.#resumes = true;
  }

  releases(throttle: GuestThrottle | undefined): void {
    this.#throttle = throttle;
  }

  disablesLogDirty(): void {
    this.#disablesLogDirty = true;
  }

  /**
   * Undoes in reverse order; a guest that is lost needs nothing, and `first` is the error that
   * counts.
   */
  async run(first: unknown): Promise<void> {
    if (first instanceof MigrationError && first.code === "GUEST_LOST") {
      return;
    }
    await this.#throttle?.release().catch(() => undefined);
    if (this.#disablesLogDirty) {
      await this.#guest.logDirty.disable().catch(() => undefined);
    }
    if (this.#resumes) {
      await this.#guest.resume();
    }
  }
}
