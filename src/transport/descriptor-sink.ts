import { close, fstatSync, writev } from "node:fs";
import { Socket } from "node:net";
import { promisify } from "node:util";
import { MigrationError } from "../base/errors.ts";
import type { ByteSink, DirectPipe } from "../base/io.ts";
import { WritableSink } from "./writable-sink.ts";
import { writeAll } from "./write-all.ts";

/**
 * Makes a {@link ByteSink} of a descriptor that somebody else goes on writing to afterwards.
 *
 * Octets go where the descriptor stands. Ending says nothing to a peer: what follows is not ours.
 * Pipes and sockets no longer block, for whoever shares them too; libxl puts that right when the
 * helper has ended (`libxl__fd_flags_restore`).
 *
 * @param fd open for writing; the sink's from now on, which closes it when it ends or gives up.
 * @throws MigrationError TRANSPORT_OPEN: there is no such descriptor.
 */
export function descriptorSink(fd: number): ByteSink {
  try {
    const stat = fstatSync(fd);
    return stat.isFIFO() || stat.isSocket() ? new PipeSink(fd) : new PlainSink(fd);
  } catch (error) {
    throw new MigrationError("TRANSPORT_OPEN", { fd }, error);
  }
}

/** A pipe or socket, written to in the event loop: a peer that does not read holds up nothing. */
class PipeSink extends WritableSink {
  readonly #socket: Socket;

  constructor(fd: number) {
    const socket = new Socket({ fd, readable: false, writable: true });
    super(socket);
    this.#socket = socket;
  }

  /** Without the shutdown that the end of a socket means. */
  override async end(): Promise<void> {
    await this.write(new Uint8Array(0));
    this.#socket.destroy();
  }
}

const writeSome = promisify(writev);

/** A file or device, which libuv's threads write to. */
class PlainSink implements ByteSink {
  readonly #fd: number;
  #offset = 0;
  #tail: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  get offset(): number {
    return this.#offset;
  }

  get direct(): DirectPipe {
    const advance = (byteCount: number) => {
      this.#offset += byteCount;
    };
    return { fd: this.#fd, isPositioned: false, advance };
  }

  write(...chunks: readonly Uint8Array[]): Promise<void> {
    this.#offset += chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#tail = this.#tail.then(() => this.#writeNow(chunks));
    return this.#tail;
  }

  async end(): Promise<void> {
    await this.#tail;
    await this.#close();
  }

  async abort(): Promise<void> {
    await this.#tail.catch(() => undefined);
    await this.#close();
  }

  async #writeNow(chunks: readonly Uint8Array[]): Promise<void> {
    try {
      await writeAll((parts, at) => writeSome(this.#fd, parts, at), chunks, undefined);
    } catch (error) {
      throw new MigrationError("TRANSPORT_LOST", { offset: this.#offset }, error);
    }
  }

  async #close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      await promisify(close)(this.#fd);
    }
  }
}
