import { closeSync } from "node:fs";
import { MigrationError } from "../base/errors.ts";
import type { ByteSink } from "../base/io.ts";
import { BATCH_PAGES_MAX } from "../base/units.ts";
import { encodeRecord } from "../codec/record.ts";
import { encodeIterationEnd, OWN_RECORD } from "../format/own.ts";
import type { SourceMemory } from "../guest/types.ts";
import {
  COMPRESSION_MODE,
  type FileAccess,
  type PumpAddon,
  type PumpCancel,
  type PumpIteration,
  type PumpResult,
  type PumpSender,
  pumpError,
} from "../transport/pump-addon.ts";
import { makeCounters } from "../transport/pump-counters.ts";
import { drainPipe } from "./drain.ts";
import { throwIfInterrupted } from "./interruption.ts";
import { randomDigestKey } from "./page-digests.ts";
import type {
  Compression,
  PumpCounts,
  PumpExtras,
  PumpJob,
  PumpOptions,
  SendPump,
} from "./pump.ts";
import { countsOf } from "./pump-counts.ts";

/** How often progress is looked at (ms). */
const PROGRESS_MS = 50;

/** Pages for which one more channel is worth waking its threads at both ends. */
const PAGES_PER_CHANNEL = 4 * BATCH_PAGES_MAX;

/** Threads that write a file past the page cache: one prepares a batch while another waits. */
const IMAGE_LANES = 2;

interface Parts {
  readonly addon: PumpAddon;
  readonly memory: SourceMemory;
  readonly sink: ByteSink;
  readonly options: PumpOptions;
}

/** A transport that pages go over; number 0 is the main one. */
interface Channel {
  readonly number: number;
  readonly sink: ByteSink;
  /** Whether the receiver holds it until all iterations before the next one have been stored. */
  isInStep: boolean;
}

/**
 * Makes the native pump: threads that scan, form batches and write them, while this one watches.
 *
 * @param parts memory with windows all of whose pages can be sent at any time; a sink with a
 *   descriptor.
 */
export function createNativePump(parts: Parts): SendPump {
  return new NativePump(parts);
}

class NativePump implements SendPump, PumpExtras {
  readonly name = "native";
  readonly extras = this;
  readonly hasZstd: boolean;
  readonly #addon: PumpAddon;
  readonly #sender: PumpSender;
  readonly #channels: Channel[];
  #sending: Sending | undefined;
  readonly #image: FileAccess | undefined;
  #iterations = 0;
  #directBytes = 0;
  #bytesBefore = 0;

  constructor({ addon, memory, sink, options }: Parts) {
    const { windows, pfnCount } = memory;
    const { bytesPerSecondMax, skipsUnchanged, alignsPages, fileAccess = "auto" } = options;
    this.#image = alignsPages === true ? fileAccess : undefined;
    this.#addon = addon;
    this.hasZstd = addon.hasZstd;
    this.#channels = [{ number: 0, sink, isInStep: true }];
    this.#sender = new addon.Sender({
      windows,
      bytesPerSecondMax,
      ...(skipsUnchanged !== false && {
        digests: { pfnCount, key: randomDigestKey(), isOptional: skipsUnchanged === "auto" },
      }),
    });
  }

  get directBytes(): number {
    return this.#directBytes;
  }

  get bytesSent(): number {
    return this.#bytesBefore + (this.#sending?.counts.bytes ?? 0);
  }

  pack(compression: Compression): void {
    this.#sender.pack(COMPRESSION_MODE[compression]);
  }

  join(channel: number, sink: ByteSink): void {
    const isFirst = this.#iterations === 0;
    const joined = { number: channel, sink, isInStep: isFirst };
    this.#channels.push(joined);
    if (isFirst) {
      this.#sending?.join(joined);
    }
  }

  async drain(signal: AbortSignal): Promise<void> {
    for (const { sink } of this.#channels) {
      await drainPipe(this.#addon, sink, signal);
    }
  }

  async send(job: PumpJob): Promise<PumpCounts> {
    throwIfInterrupted(job.signal);
    const count = Math.max(1, Math.floor(job.pagesPlanned / PAGES_PER_CHANNEL));
    const channels = this.#channels.slice(0, count);
    await this.#bringIntoStep(channels);
    const sending = new Sending(job, this.#addon, this.#sender, this.#image);
    this.#sending = sending;
    channels.forEach((channel) => {
      sending.join(channel);
    });
    try {
      await sending.finish();
    } finally {
      this.#sending = undefined;
      this.#bytesBefore += sending.counts.bytes;
    }
    this.#directBytes += sending.directBytes;
    await this.#end(this.#iterations++, sending.channels);
    return sending.counts;
  }

  /**
   * Before an iteration over `channels`: has the receiver hold those that did not take part in the
   * last one until it has stored all of that.
   */
  async #bringIntoStep(channels: readonly Channel[]): Promise<void> {
    if (channels.some(({ isInStep }) => !isInStep)) {
      await this.#end(this.#iterations - 1, channels);
    }
  }

  /** Says on each of `channels`, where they are several, that the iteration is over. */
  async #end(iteration: number, channels: readonly Channel[]): Promise<void> {
    for (const channel of this.#channels) {
      channel.isInStep = channel.number === 0 || channels.includes(channel);
    }
    if (channels.length === 1) {
      return;
    }
    const channelMask = channels.reduce((mask, { number }) => mask | (1 << number), 0);
    const body = encodeIterationEnd({ iteration, channelMask });
    const record = encodeRecord({ type: OWN_RECORD.ITERATION_END, body });
    await Promise.all(channels.map(({ sink }) => sink.write(...record)));
  }
}

/** One iteration under way. */
class Sending {
  readonly channels: Channel[] = [];
  readonly #job: PumpJob;
  readonly #addon: PumpAddon;
  readonly #iteration: PumpIteration;
  readonly #cancel: PumpCancel;
  readonly #counters = makeCounters();
  readonly #running: Promise<void>[] = [];
  readonly #image: FileAccess | undefined;
  #directBytes = 0;
  #failure: unknown;

  /** @param image how to write where pages are to be aligned in a file; else `undefined`. */
  constructor(job: PumpJob, addon: PumpAddon, sender: PumpSender, image: FileAccess | undefined) {
    this.#job = job;
    this.#image = image;
    this.#addon = addon;
    this.#cancel = new addon.Cancel();
    this.#iteration = new addon.Iteration({
      sender,
      dirty: job.dirtyBitmap,
      ...(job.populatedBitmap && { populated: job.populatedBitmap }),
      elidesZeroPages: job.elidesZeroPages,
      counters: this.#counters,
    });
  }

  /** Octets that were written past the page cache. */
  get directBytes(): number {
    return this.#directBytes;
  }

  get counts(): PumpCounts {
    return countsOf(this.#counters);
  }

  /** Has `channel` take part from now on. */
  join(channel: Channel): void {
    this.channels.push(channel);
    this.#running.push(
      this.#sendOver(channel).catch((error: unknown) => {
        this.#failure ??= error;
        this.#cancel.fire();
      }),
    );
  }

  /** Waits for all channels, those included that join meanwhile; throws what failed first. */
  async finish(): Promise<void> {
    const { signal, onProgress } = this.#job;
    const progress = setInterval(() => onProgress(this.counts), PROGRESS_MS);
    const onAbort = () => this.#cancel.fire();
    signal.addEventListener("abort", onAbort);
    try {
      for (const running of this.#running) {
        await running;
      }
    } finally {
      clearInterval(progress);
      signal.removeEventListener("abort", onAbort);
    }
    throwIfInterrupted(signal);
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
    onProgress(this.counts);
  }

  async #sendOver({ sink }: Channel): Promise<void> {
    const { direct } = sink;
    const fd = direct === undefined ? -1 : this.#addon.duplicate(direct.fd);
    if (direct === undefined || fd < 0) {
      throw new MigrationError("TRANSPORT_LOST", { offset: sink.offset, closed: true });
    }
    try {
      const { value, failure } = await (this.#image === undefined
        ? this.#iteration.send({
            fd,
            ...(direct.isPositioned && { position: sink.offset }),
            cancel: this.#cancel,
          })
        : this.#sendToImage(fd, sink.offset, this.#image));
      if (value === undefined) {
        const cause = failure && pumpError(failure);
        throw new MigrationError("TRANSPORT_LOST", { offset: sink.offset }, cause);
      }
      direct.advance(value);
    } finally {
      closeSync(fd);
    }
  }

  async #sendToImage(
    fd: number,
    position: number,
    fileAccess: FileAccess,
  ): Promise<PumpResult<number>> {
    const { value, failure } = await this.#iteration.sendToImage({
      fd,
      position,
      fileAccess,
      laneCount: IMAGE_LANES,
      cancel: this.#cancel,
    });
    this.#directBytes += value?.directBytes ?? 0;
    return { ...(value && { value: value.bytes }), ...(failure && { failure }) };
  }
}
