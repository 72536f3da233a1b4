import { close, fstatSync, openSync, read } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import { DescriptorSource } from "./descriptor-source.ts";
import { openImage } from "./image-file.ts";
import { probePump } from "./pump-addon.ts";

const readSome = promisify(read);

/** What a view may grow by before its octets have arrived. */
const GROWTH_BYTES_MAX = 4 << 20;

/** How long to wait for octets of a descriptor that does not block and cannot be watched (ms). */
const RETRY_MS = 5;

/**
 * Makes a {@link ByteSource} of a descriptor that somebody else goes on reading from afterwards: no
 * octet is read ahead.
 *
 * @param fd open for reading; the source's from now on.
 * @throws MigrationError TRANSPORT_OPEN: there is no such descriptor.
 */
export function descriptorInput(fd: number): ByteSource {
  const { addon } = probePump();
  try {
    const stat = fstatSync(fd);
    const isPipe = stat.isFIFO() || stat.isSocket();
    return isPipe && addon !== undefined ? new DescriptorSource(addon, fd) : new ExactSource(fd);
  } catch (error) {
    throw new MigrationError("TRANSPORT_OPEN", { fd }, error);
  }
}

/**
 * Opens a file to be read once from its start in large pieces: straight into the memory they are
 * handed out in, or decompressed where it is Zstandard.
 *
 * @throws MigrationError TRANSPORT_OPEN, TRANSPORT_LOST
 */
export async function openStreamFile(path: string): Promise<ByteSource> {
  const image = await openImage(path);
  if (image.compression !== "none" || image.fileBytes === undefined) {
    return image;
  }
  await image.close();
  try {
    return new ExactSource(openSync(path, "r"));
  } catch (error) {
    throw new MigrationError("TRANSPORT_OPEN", { path }, error);
  }
}

/** A {@link ByteSource} that reads what it is asked for, on libuv's threads. */
class ExactSource implements ByteSource {
  readonly #fd: number;
  #buffer = new Uint8Array(4096);
  #offset = 0;
  #reading: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  get offset(): number {
    return this.#offset;
  }

  async exactly(byteCount: number): Promise<Uint8Array> {
    let filled = 0;
    while (filled < byteCount) {
      const room = this.#room(Math.min(byteCount, filled + GROWTH_BYTES_MAX));
      const count = await this.#read(room.subarray(filled));
      if (count === 0) {
        const facts = { offset: this.#offset + filled, wantedBytes: byteCount, gotBytes: filled };
        throw new MigrationError("STREAM_TRUNCATED", facts);
      }
      filled += count;
    }
    this.#offset += byteCount;
    return this.#buffer.subarray(0, byteCount);
  }

  async some(byteCountMax: number): Promise<Uint8Array | undefined> {
    const room = this.#room(Math.min(byteCountMax, GROWTH_BYTES_MAX));
    const count = await this.#read(room);
    this.#offset += count;
    return count === 0 ? undefined : room.subarray(0, count);
  }

  /** Closes the descriptor once nothing reads from it any more. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      await this.#reading.catch(() => undefined);
      await promisify(close)(this.#fd);
    }
  }

  /** The first `byteCount` octets of the buffer, which keeps what it holds. */
  #room(byteCount: number): Uint8Array {
    if (this.#buffer.length < byteCount) {
      const grown = new Uint8Array(Math.max(byteCount, 2 * this.#buffer.length));
      grown.set(this.#buffer);
      this.#buffer = grown;
    }
    return this.#buffer.subarray(0, byteCount);
  }

  /** Reads at least one octet; 0 at the end. */
  async #read(out: Uint8Array): Promise<number> {
    for (;;) {
      if (this.#isClosed) {
        throw new MigrationError("TRANSPORT_LOST", { offset: this.#offset, closed: true });
      }
      try {
        const reading = readSome(this.#fd, out, 0, out.length, null);
        this.#reading = reading;
        return (await reading).bytesRead;
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) {
          throw new MigrationError("TRANSPORT_LOST", { offset: this.#offset }, error);
        }
        await sleep(RETRY_MS);
      }
    }
  }
}
