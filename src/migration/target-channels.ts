import { randomBytes } from "node:crypto";
import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import type { PageEngine } from "../engine/types.ts";
import { CHANNELS_MAX, type IterationEnd, type Offer, TOKEN_BYTES } from "../format/own.ts";
import type { SinkMemory } from "../guest/types.ts";
import type { ChannelDoor } from "../transport/channel-door.ts";
import type { Connection } from "../transport/connection.ts";
import { ChannelReader, type PageTaker } from "./channel-reader.ts";
import type { TargetHandshake } from "./handshake.ts";
import type { Intake } from "./intake.ts";
import { pageTaker, takingAddon } from "./page-taker.ts";
import type { OwnRecords } from "./restore.ts";

interface Parts {
  readonly handshake: TargetHandshake;
  readonly engine: PageEngine;
  /** The main channel. */
  readonly connection: Connection;
  /** Counts what comes. */
  readonly intake: Intake;
  readonly door?: ChannelDoor | undefined;
  /** Told once, when a channel has failed: nothing more will come of the migration. */
  readonly onFailure: () => void;
}

/**
 * The target's side of parallel channels: lets them in, has each of them read on its own, and holds
 * all of them at the end of each iteration until all have reached it: a page that comes again comes
 * in the next iteration, over any of them.
 */
export class TargetChannels implements OwnRecords {
  readonly #parts: Parts;
  readonly #readers = new Map<number, ChannelReader>();
  /** Ends reading from channels; there is none unless some may join. */
  #closing: AbortController | undefined;
  #failure: unknown;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Why a channel failed, if one did. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Page entries with data, and octets, that came over channels besides the main one. */
  get pages(): number {
    return [...this.#readers.values()].reduce((sum, reader) => sum + reader.pages, 0);
  }

  get bytes(): number {
    return [...this.#readers.values()].reduce((sum, reader) => sum + reader.bytes, 0);
  }

  /** Says what of `offer` can be used here, and opens the door for it. @throws TRANSPORT_* */
  async offer(offer: Offer, memory: SinkMemory): Promise<void> {
    const { handshake, connection, engine, door, intake } = this.#parts;
    const addon = memory.ramFd === undefined ? undefined : takingAddon(engine, connection.source);
    const token = new Uint8Array(randomBytes(TOKEN_BYTES));
    const isOpen = addon !== undefined && door !== undefined;
    const channels = isOpen ? Math.max(1, Math.min(offer.channels, CHANNELS_MAX)) : 1;
    if (channels > 1) {
      const closing = new AbortController();
      this.#closing = closing;
      const taker = (source: ByteSource) =>
        pageTaker({
          source,
          engine,
          signal: closing.signal,
          memory: () => memory,
          counters: intake.counters,
        });
      door?.open(token, (channel, joining) => {
        if (channel >= channels || !this.#join(channel, joining, taker(joining.source))) {
          void joining.close();
        }
      });
    }
    await handshake.sendAnswer({ channels, zstd: offer.zstd && addon?.hasZstd === true, token });
  }

  /**
   * Waits until the channels that took part in an iteration have ended it; then lets them go on.
   *
   * @throws MigrationError TRANSPORT_CHANNEL, and what a channel failed with.
   */
  async endIteration({ iteration, channelMask }: IterationEnd, offset: number): Promise<void> {
    const readers: ChannelReader[] = [];
    for (let channel = 1; channel < CHANNELS_MAX; channel++) {
      if (((channelMask >> channel) & 1) !== 0) {
        const reader = this.#readers.get(channel);
        if (reader === undefined) {
          throw new MigrationError("TRANSPORT_CHANNEL", { offset, iteration, channel });
        }
        readers.push(reader);
      }
    }
    await Promise.all(readers.map((reader) => reader.reach(iteration)));
    for (const reader of readers) {
      reader.release();
    }
  }

  /** Lets nothing more in, and waits until no channel stores in the guest's RAM any more. */
  async stop(): Promise<void> {
    if (this.#closing === undefined) {
      return;
    }
    this.#parts.door?.close();
    this.#closing.abort();
    await Promise.all([...this.#readers.values()].map((reader) => reader.idle()));
  }

  /** Ends all channels. */
  async close(): Promise<void> {
    await this.stop();
    await Promise.all([...this.#readers.values()].map((reader) => reader.close()));
  }

  /** @returns whether there was room for it. */
  #join(channel: number, connection: Connection, takePages: PageTaker): boolean {
    if (channel < 1 || this.#readers.has(channel)) {
      return false;
    }
    const reader = new ChannelReader({ channel, connection, takePages });
    this.#readers.set(channel, reader);
    reader.run().catch((error: unknown) => this.#fail(error));
    return true;
  }

  #fail(error: unknown): void {
    if (this.#failure === undefined && this.#closing?.signal.aborted === false) {
      this.#failure = error;
      this.#parts.onFailure();
    }
  }
}
