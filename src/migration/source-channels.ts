import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../base/clock.ts";
import { MigrationError } from "../base/errors.ts";
import type { ByteSink } from "../base/io.ts";
import { encodeRecord } from "../codec/record.ts";
import {
  type Answer,
  CHANNELS_MAX,
  encodeHello,
  encodeOffer,
  JOINED,
  type Offer,
  OWN_RECORD,
} from "../format/own.ts";
import type { Connection } from "../transport/connection.ts";
import type { SourceHandshake } from "./handshake.ts";
import type { ProgressListener } from "./progress.ts";
import type { Compression, PumpExtras, SendPump } from "./pump.ts";

/** What the source would like to use where the receiver is one of ours. */
export interface ChannelOptions {
  /**
   * Channels, the main one included: 1 is the stock stream alone; `auto` adds one after the other
   * as long as that makes the transfer faster.
   */
  readonly channels: number | "auto";
  readonly compression: Compression;
}

/** What a transfer used in the end. */
export interface ChannelsUsed {
  readonly channels: number;
  readonly compression: Compression;
}

interface Parts {
  readonly handshake: SourceHandshake;
  readonly options: ChannelOptions;
  /** Opens one more connection to the receiver; absent where there is no way to. */
  readonly dial?: ((signal: AbortSignal) => Promise<Connection>) | undefined;
  readonly clock: Clock;
  readonly onProgress: ProgressListener;
}

/** Most channels that are opened where they are added one after the other. */
const AUTO_CHANNELS_MAX = 8;

/** For how long a rate is looked at before and after a channel was added (ms). */
const RATE_WINDOW_MS = 200;

/** How much faster the transfer must be with one more channel for the next to be tried. */
const GAIN_MIN = 1.1;

/**
 * The source's side of parallel channels and packed pages.
 *
 * The offer goes out with the stream, which does not wait for the answer: pages go over the main
 * channel until others have joined it. Who does not know the offer ignores it, and all stays so.
 */
export class SourceChannels {
  readonly #parts: Parts;
  readonly #closing = new AbortController();
  readonly #connections: Connection[] = [];
  #settled: Promise<void> = Promise.resolve();
  #used: ChannelsUsed = { channels: 1, compression: "none" };

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** What has been agreed on so far. */
  get used(): ChannelsUsed {
    return this.#used;
  }

  /** Octets that went over the channels, the main one excepted. */
  get bytes(): number {
    return this.#connections.reduce((sum, { sink }) => sum + sink.offset, 0);
  }

  /**
   * Offers what is wanted and possible, on `sink`, behind the headers. What is agreed on later
   * takes effect by itself.
   *
   * @throws MigrationError TRANSPORT_*
   */
  async offer(sink: ByteSink, { extras }: SendPump): Promise<void> {
    const { dial, options } = this.#parts;
    if (extras === undefined) {
      return;
    }
    const wanted = options.channels === "auto" ? AUTO_CHANNELS_MAX : options.channels;
    const channels = dial === undefined ? 1 : Math.min(wanted, CHANNELS_MAX);
    const zstd = options.compression !== "none" && extras.hasZstd;
    if (channels === 1 && !zstd) {
      return;
    }
    const body = encodeOffer({ channels, zstd });
    await sink.write(...encodeRecord({ type: OWN_RECORD.OFFER, body }));
    this.#settled = this.#useAnswer({ channels, zstd }, extras).catch(() => undefined);
  }

  /** Waits until what was offered is in use, or will not be. */
  async settled(): Promise<void> {
    await this.#settled;
  }

  /** Closes the channels that were opened, the main one excepted. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#connections.map((connection) => connection.close()));
  }

  /** What cannot be had is done without: the stream is whole over the main channel alone. */
  async #useAnswer(offer: Offer, extras: PumpExtras): Promise<void> {
    const answer = await this.#parts.handshake.awaitAnswer();
    if (answer === undefined) {
      return;
    }
    if (offer.zstd && answer.zstd) {
      const { compression } = this.#parts.options;
      extras.pack(compression);
      this.#used = { ...this.#used, compression };
      this.#parts.onProgress({ kind: "step", step: `packing pages: ${compression}` });
    }
    const count = Math.min(answer.channels, offer.channels);
    const numbers = Array.from({ length: Math.max(0, count - 1) }, (_, index) => index + 1);
    if (this.#parts.options.channels === "auto") {
      await this.#openWhileFaster(numbers, answer, extras);
    } else {
      await Promise.allSettled(numbers.map((number) => this.#open(number, answer, extras)));
    }
  }

  async #openWhileFaster(numbers: readonly number[], answer: Answer, extras: PumpExtras) {
    let rate = await this.#rate(extras);
    for (const number of numbers) {
      await this.#open(number, answer, extras);
      const before = rate;
      rate = await this.#rate(extras);
      if (rate < before * GAIN_MIN) {
        return;
      }
    }
  }

  /** Octets a millisecond, from now on for a while. */
  async #rate(extras: PumpExtras): Promise<number> {
    const { clock } = this.#parts;
    const { signal } = this.#closing;
    const [startMs, startBytes] = [clock.nowMs(), extras.bytesSent];
    await sleep(RATE_WINDOW_MS, undefined, { signal, ref: false });
    return (extras.bytesSent - startBytes) / (clock.nowMs() - startMs);
  }

  async #open(channel: number, { token }: Answer, extras: PumpExtras): Promise<void> {
    const connection = await this.#parts.dial!(this.#closing.signal);
    this.#connections.push(connection);
    if (this.#closing.signal.aborted) {
      await connection.close();
      return;
    }
    await connection.sink.write(encodeHello({ token, channel }));
    const said = await connection.source.exactly(JOINED.length);
    if (Buffer.from(said).toString("latin1") !== JOINED) {
      throw new MigrationError("TRANSPORT_CHANNEL", { channel });
    }
    extras.join(channel, connection.sink);
    this.#parts.onProgress({ kind: "step", step: `channel ${channel} joined` });
    this.#used = { ...this.#used, channels: this.#used.channels + 1 };
  }
}
