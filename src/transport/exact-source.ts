import { close, fstatSync, openSync, read } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import { DescriptorSource } from "./descriptor-source.ts";
import { openImage } from "./image-file.ts";
import { probePump } from "./pump-addon.ts";
import { ReadingSource } from "./reading-source.ts";

const readSome = promisify(read);

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
class ExactSource extends ReadingSource {
  readonly #fd: number;
  #reading: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(fd: number) {
    super();
    this.#fd = fd;
  }

  /** Closes the descriptor once nothing reads from it any more. */
  override async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      await this.#reading.catch(() => undefined);
      await promisify(close)(this.#fd);
    }
  }

  protected override async read(out: Uint8Array): Promise<number> {
    for (;;) {
      if (this.#isClosed) {
        throw new MigrationError("TRANSPORT_LOST", { offset: this.offset, closed: true });
      }
      try {
        const reading = readSome(this.#fd, out, 0, out.length, null);
        this.#reading = reading;
        return (await reading).bytesRead;
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) {
          throw new MigrationError("TRANSPORT_LOST", { offset: this.offset }, error);
        }
        await sleep(RETRY_MS);
      }
    }
  }
}
