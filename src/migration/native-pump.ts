import { closeSync } from "node:fs";
import { MigrationError } from "../base/errors.ts";
import type { ByteSink } from "../base/io.ts";
import { BATCH_PAGES_MAX } from "../base/units.ts";
import { encodeRecord } from "../codec/record.ts";
import { encodeIterationEnd, OWN_RECORD } from "../format/own.ts";
import type { SourceMemory } from "../guest/types.ts";
import {
  COMPRESSION_MODE,
  type PumpAddon,
  type PumpCancel,
  type PumpIteration,
  type PumpSender,
  pumpError,
} from "../transport/pump-addon.ts";
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

/** How often progress is looked at (ms). */
const PROGRESS_MS = 50;

/** Pages for which one more channel is worth waking its threads at both ends. */
const PAGES_PER_CHANNEL = 4 * BATCH_PAGES_MAX;

/** Entries of the add-on's counters. Twin: native/pump/counters.h. */
const COUNTER = { PAGES_SENT: 0, PAGES_ALLOCATE_ONLY: 1, PAGES_UNCHANGED: 2, BYTES: 3, SCAN_NS: 4 };
const COUNTER_COUNT = 6;

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
  #iterations = 0;
  #bytesBefore = 0;

  constructor({ addon, memory, sink, options }: Parts) {
    const { windows, pfnCount } = memory;
    const { bytesPerSecondMax, skipsUnchanged } = options;
    this.#addon = addon;
    this.hasZstd = addon.hasZstd;
    this.#channels = [{ number: 0, sink }];
    this.#sender = new addon.Sender({
      windows,
      bytesPerSecondMax,
      ...(skipsUnchanged !== false && {
        digests: { pfnCount, key: randomDigestKey(), isOptional: skipsUnchanged === "auto" },
      }),
    });
  }

  get bytesSent(): number {
    return this.#bytesBefore + (this.#sending?.counts.bytes ?? 0);
  }

  pack(compression: Compression): void {
    this.#sender.pack(COMPRESSION_MODE[compression]);
  }

  join(channel: number, sink: ByteSink): void {
    const joined = { number: channel, sink };
    this.#channels.push(joined);
    this.#sending?.join(joined);
  }

  async send(job: PumpJob): Promise<PumpCounts> {
    throwIfInterrupted(job.signal);
    const sending = new Sending(job, this.#addon, this.#sender);
    this.#sending = sending;
    const count = Math.max(1, Math.floor(job.pagesPlanned / PAGES_PER_CHANNEL));
    for (const channel of this.#channels.slice(0, count)) {
      sending.join(channel);
    }
    try {
      await sending.finish();
    } finally {
      this.#sending = undefined;
      this.#bytesBefore += sending.counts.bytes;
    }
    await endIteration(this.#iterations++, sending.channels);
    return sending.counts;
  }
}

/** One iteration under way. */
class Sending {
  readonly channels: Channel[] = [];
  readonly #job: PumpJob;
  readonly #addon: PumpAddon;
  readonly #iteration: PumpIteration;
  readonly #cancel: PumpCancel;
  readonly #counters = new BigUint64Array(COUNTER_COUNT);
  readonly #running: Promise<void>[] = [];
  #failure: unknown;

  constructor(job: PumpJob, addon: PumpAddon, sender: PumpSender) {
    this.#job = job;
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

  get counts(): PumpCounts {
    const counters = this.#counters;
    return {
      pagesSent: Number(counters[COUNTER.PAGES_SENT]),
      pagesAllocateOnly: Number(counters[COUNTER.PAGES_ALLOCATE_ONLY]),
      pagesDeferred: 0,
      pagesUnchanged: Number(counters[COUNTER.PAGES_UNCHANGED]),
      bytes: Number(counters[COUNTER.BYTES]),
      scanMs: Number(counters[COUNTER.SCAN_NS]) / 1e6,
    };
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
      const { value, failure } = await this.#iteration.send({
        fd,
        ...(direct.isPositioned && { position: sink.offset }),
        cancel: this.#cancel,
      });
      if (value === undefined) {
        const cause = failure && pumpError(failure);
        throw new MigrationError("TRANSPORT_LOST", { offset: sink.offset }, cause);
      }
      direct.advance(value);
    } finally {
      closeSync(fd);
    }
  }
}

/** Says on each channel, where there were several, that the iteration is over. */
async function endIteration(iteration: number, channels: readonly Channel[]): Promise<void> {
  if (channels.length === 1) {
    return;
  }
  const channelMask = channels.reduce((mask, { number }) => mask | (1 << number), 0);
  const body = encodeIterationEnd({ iteration, channelMask });
  const record = encodeRecord({ type: OWN_RECORD.ITERATION_END, body });
  await Promise.all(channels.map(({ sink }) => sink.write(...record)));
}
