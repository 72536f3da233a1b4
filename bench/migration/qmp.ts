import { once } from "node:events";
import net from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

const CONNECT_TRIES = 200;
const CONNECT_PAUSE_MS = 50;

/** A connection to QEMU's monitor. @source docs/interop/qmp-spec.txt */
export class Qmp {
  readonly #socket: net.Socket;
  readonly #messages: AsyncIterator<string>;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    this.#messages = createInterface({ input: socket })[Symbol.asyncIterator]();
  }

  /** Connects as soon as the monitor is there. @throws Error if it does not come */
  static async connect(path: string): Promise<Qmp> {
    for (let tried = 1; ; tried++) {
      const socket = net.connect(path);
      try {
        await once(socket, "connect");
        const qmp = new Qmp(socket);
        await qmp.call("qmp_capabilities");
        return qmp;
      } catch (error) {
        socket.destroy();
        if (tried === CONNECT_TRIES) {
          throw error;
        }
        await delay(CONNECT_PAUSE_MS);
      }
    }
  }

  /** Calls a command. @returns what it returns. @throws Error with QEMU's words */
  async call(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    for (;;) {
      const { value, done } = await this.#messages.next();
      if (done === true) {
        throw new Error(`QEMU's monitor closed during ${command}`);
      }
      const message = JSON.parse(value) as {
        readonly return?: unknown;
        readonly error?: { readonly desc: string };
      };
      if (message.error !== undefined) {
        throw new Error(`QEMU's ${command}: ${message.error.desc}`);
      }
      if ("return" in message) {
        return message.return;
      }
    }
  }

  /** Ends QEMU. */
  quit(): void {
    this.#socket.end(`${JSON.stringify({ execute: "quit" })}\n`);
  }
}
