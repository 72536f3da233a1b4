import { timingSafeEqual } from "node:crypto";
import type net from "node:net";
import { decodeHello, HELLO_BYTES, type Hello, JOINED } from "../format/own.ts";
import type { Connection } from "./connection.ts";
import { descriptorOf } from "./descriptor.ts";
import { DescriptorSource } from "./descriptor-source.ts";
import { type PumpAddon, probePump } from "./pump-addon.ts";

/** Takes a channel of the migration whose token it said. */
export type ChannelTaker = (channel: number, connection: Connection) => void;

/** Where channels of a migration under way come in. */
export interface ChannelDoor {
  /** From now on connections that know `token` come to `take`. */
  open(token: Uint8Array, take: ChannelTaker): void;
  /** Who has said nothing by then waits for a migration of its own. Safe to call when not open. */
  close(): void;
}

/** The sockets of a listener, each to be asked whether it is a channel. */
export class SocketDoor implements ChannelDoor {
  readonly #connectionOf: (socket: net.Socket) => Connection;
  readonly #onOther: (socket: net.Socket) => void;
  readonly #addon: PumpAddon | undefined = probePump().addon;
  readonly #asked = new Map<DescriptorSource, net.Socket>();
  #open: { readonly token: Uint8Array; readonly take: ChannelTaker } | undefined;

  /**
   * @param connectionOf makes the connection of a socket that nothing was read from but its hello.
   * @param onOther takes a socket that is no channel, and of which nothing was read.
   */
  constructor(
    connectionOf: (socket: net.Socket) => Connection,
    onOther: (socket: net.Socket) => void,
  ) {
    this.#connectionOf = connectionOf;
    this.#onOther = onOther;
  }

  /** Takes the next socket of the listener, which is paused. */
  enter(socket: net.Socket): void {
    const fd = descriptorOf(socket);
    if (this.#open === undefined || this.#addon === undefined || fd === undefined) {
      this.#onOther(socket);
    } else {
      void this.#ask(new DescriptorSource(this.#addon, fd), socket);
    }
  }

  open(token: Uint8Array, take: ChannelTaker): void {
    this.#open = { token, take };
  }

  close(): void {
    this.#open = undefined;
    for (const [source, socket] of this.#asked) {
      void source.close();
      this.#onOther(socket);
    }
    this.#asked.clear();
  }

  async #ask(source: DescriptorSource, socket: net.Socket): Promise<void> {
    this.#asked.set(source, socket);
    const said = await source.exactly(HELLO_BYTES).catch(() => undefined);
    const hello = said && decodeHello(said);
    await source.close();
    const isOurs = this.#asked.delete(source);
    if (isOurs && (hello === undefined || !this.#admit(hello, socket))) {
      socket.destroy();
    }
  }

  #admit({ token, channel }: Hello, socket: net.Socket): boolean {
    const open = this.#open;
    if (open === undefined || !timingSafeEqual(token, open.token)) {
      return false;
    }
    const connection = this.#connectionOf(socket);
    open.take(channel, connection);
    connection.sink.write(Buffer.from(JOINED, "latin1")).catch(() => undefined);
    return true;
  }
}
