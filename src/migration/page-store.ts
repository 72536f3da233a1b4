import { randomUUID } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { MigrationError } from "../base/errors.ts";
import { PAGE_BYTES } from "../base/units.ts";

/** Octets of pages that wait to be written together. */
const BUFFER_BYTES = 1024 * 1024;

/**
 * Pages of a stream that cannot be read twice, in a temporary file that no one else can see.
 *
 * A page keeps its place, also when it comes again. The file is as large as the frames that hold
 * anything but zeros.
 */
export class PageStore {
  readonly #file: FileHandle;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #writtenBytes = 0;
  #bufferedBytes = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Makes an empty store in the system's folder for temporary files. @throws TRANSPORT_OPEN */
  static async create(): Promise<PageStore> {
    const name = path.join(tmpdir(), `xenferry-pages-${randomUUID()}`);
    try {
      const file = await open(name, "wx+", 0o600);
      await unlink(name);
      return new PageStore(file);
    } catch (error) {
      throw new MigrationError("TRANSPORT_OPEN", { path: name, errno: errnoOf(error) }, error);
    }
  }

  /**
   * Stores a page and returns its place.
   *
   * @param place where an earlier content of the frame is; `undefined` for the first.
   * @throws MigrationError TRANSPORT_LOST, for example a full disk.
   */
  async put(page: Uint8Array, place: number | undefined): Promise<number> {
    if (place !== undefined && place < this.#writtenBytes) {
      await this.#write(page, place);
      return place;
    }
    if (place !== undefined) {
      this.#buffer.set(page, place - this.#writtenBytes);
      return place;
    }
    if (this.#bufferedBytes === BUFFER_BYTES) {
      await this.#flush();
    }
    this.#buffer.set(page, this.#bufferedBytes);
    this.#bufferedBytes += PAGE_BYTES;
    return this.#writtenBytes + this.#bufferedBytes - PAGE_BYTES;
  }

  /** Fills `out` with stored pages from `place` on. @throws MigrationError TRANSPORT_LOST */
  async readAt(place: number, out: Uint8Array): Promise<void> {
    await this.#flush();
    try {
      let done = 0;
      while (done < out.length) {
        const { bytesRead } = await this.#file.read(out, done, out.length - done, place + done);
        if (bytesRead === 0) {
          throw new RangeError("the temporary file has become shorter");
        }
        done += bytesRead;
      }
    } catch (error) {
      throw lost(error);
    }
  }

  /** Gives the disk space back. */
  async close(): Promise<void> {
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    if (this.#bufferedBytes > 0) {
      await this.#write(this.#buffer.subarray(0, this.#bufferedBytes), this.#writtenBytes);
      this.#writtenBytes += this.#bufferedBytes;
      this.#bufferedBytes = 0;
    }
  }

  async #write(bytes: Uint8Array, place: number): Promise<void> {
    try {
      let done = 0;
      while (done < bytes.length) {
        const rest = bytes.length - done;
        done += (await this.#file.write(bytes, done, rest, place + done)).bytesWritten;
      }
    } catch (error) {
      throw lost(error);
    }
  }
}

function lost(error: unknown): MigrationError {
  const where = { file: "temporary file for pages", errno: errnoOf(error) };
  return new MigrationError("TRANSPORT_LOST", where, error);
}

function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
