import { type FileHandle, open } from "node:fs/promises";
import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import { BufferedSource } from "./buffered-source.ts";
import { decompressZstd, isZstd } from "./zstd.ts";

/** Octets of one read of a file. */
const READ_BYTES = 1024 * 1024;

/** Octets that tell a compressed image from a plain one. */
const MAGIC_BYTES = 4;

/** Reads parts of an image again. */
export interface RandomAccess {
  /**
   * Fills `out` with the octets from `offset` on.
   *
   * @throws MigrationError STREAM_TRUNCATED, TRANSPORT_LOST
   */
  readAt(offset: number, out: Uint8Array): Promise<void>;
}

/** A saved image as a source of its decompressed octets. */
export interface ImageSource extends ByteSource {
  readonly compression: "none" | "zstd";
  /** Only where the image is a plain, seekable file. Usable until `close`. */
  readonly randomAccess: RandomAccess | undefined;
  /** Octets of the file as it is on disk; `undefined` for pipes. */
  readonly fileBytes: number | undefined;
  /** Octets of that read so far: for progress, also of compressed files. */
  readonly fileOffset: number;
}

/**
 * Opens an image: a path, or chunks such as those of standard input.
 *
 * Zstandard images are told by their magic and decompressed on the way.
 *
 * @throws MigrationError TRANSPORT_OPEN, TRANSPORT_LOST; from reading also STREAM_COMPRESSION,
 *   STREAM_TRUNCATED
 */
export async function openImage(input: string | AsyncIterable<Uint8Array>): Promise<ImageSource> {
  if (typeof input !== "string") {
    return await ImageReader.open(input, undefined, undefined);
  }
  const file = await openFile(input);
  try {
    const stats = await file.stat();
    if (stats.isDirectory()) {
      throw new MigrationError("TRANSPORT_OPEN", { path: input, errno: "EISDIR" });
    }
    const fileBytes = stats.isFile() ? stats.size : undefined;
    return await ImageReader.open(readChunks(file, input), file, fileBytes);
  } catch (error) {
    await file.close();
    throw asTransportError(error, "TRANSPORT_OPEN", input);
  }
}

class ImageReader implements ImageSource {
  readonly compression: "none" | "zstd";
  readonly randomAccess: RandomAccess | undefined;
  readonly fileBytes: number | undefined;
  readonly #raw: CountedChunks;
  readonly #source: BufferedSource;

  private constructor(
    raw: CountedChunks,
    compression: "none" | "zstd",
    file: FileHandle | undefined,
    fileBytes: number | undefined,
  ) {
    this.#raw = raw;
    this.compression = compression;
    this.fileBytes = fileBytes;
    const isSeekable = file !== undefined && fileBytes !== undefined && compression === "none";
    this.randomAccess = isSeekable
      ? { readAt: (offset, out) => readFileAt(file, offset, out) }
      : undefined;
    const chunks = compression === "zstd" ? decompressZstd(new BufferedSource(raw)) : raw;
    this.#source = new BufferedSource(chunks, async () => {
      await raw.close();
      await file?.close();
    });
  }

  /** Looks at the first octets to choose. */
  static async open(
    chunks: AsyncIterable<Uint8Array>,
    file: FileHandle | undefined,
    fileBytes: number | undefined,
  ): Promise<ImageReader> {
    const raw = new CountedChunks(chunks);
    const compression = isZstd(await raw.peek()) ? "zstd" : "none";
    return new ImageReader(raw, compression, file, fileBytes);
  }

  get offset(): number {
    return this.#source.offset;
  }

  get fileOffset(): number {
    return this.#raw.bytesRead;
  }

  exactly(byteCount: number): Promise<Uint8Array> {
    return this.#source.exactly(byteCount);
  }

  some(byteCountMax: number): Promise<Uint8Array | undefined> {
    return this.#source.some(byteCountMax);
  }

  close(): Promise<void> {
    return this.#source.close();
  }
}

/** Chunks of which the first octets can be looked at beforehand. */
class CountedChunks implements AsyncIterable<Uint8Array> {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #peeked: Uint8Array | undefined;
  #bytesRead = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#iterator = chunks[Symbol.asyncIterator]();
  }

  /** Octets handed on so far. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** At least four octets, fewer only if there are no more; handed on later as well. */
  async peek(): Promise<Uint8Array> {
    let peeked = new Uint8Array(0);
    while (peeked.length < MAGIC_BYTES) {
      const next = await this.#iterator.next();
      if (next.done === true) {
        break;
      }
      peeked = new Uint8Array(Buffer.concat([peeked, next.value]));
    }
    this.#peeked = peeked;
    return peeked;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    const peeked = this.#peeked;
    this.#peeked = undefined;
    if (peeked !== undefined && peeked.length > 0) {
      this.#bytesRead += peeked.length;
      yield peeked;
    }
    for (;;) {
      const next = await this.#iterator.next();
      if (next.done === true) {
        return;
      }
      this.#bytesRead += next.value.length;
      yield next.value;
    }
  }

  async close(): Promise<void> {
    await this.#iterator.return?.();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (error) {
    throw asTransportError(error, "TRANSPORT_OPEN", path);
  }
}

/** Every chunk lies in the same memory. */
async function* readChunks(
  file: FileHandle,
  path: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = new Uint8Array(READ_BYTES);
  for (;;) {
    let bytesRead: number;
    try {
      ({ bytesRead } = await file.read(buffer, 0, READ_BYTES, null));
    } catch (error) {
      throw asTransportError(error, "TRANSPORT_LOST", path);
    }
    if (bytesRead === 0) {
      return;
    }
    yield buffer.subarray(0, bytesRead);
  }
}

async function readFileAt(file: FileHandle, offset: number, out: Uint8Array): Promise<void> {
  let done = 0;
  while (done < out.length) {
    let bytesRead: number;
    try {
      ({ bytesRead } = await file.read(out, done, out.length - done, offset + done));
    } catch (error) {
      throw asTransportError(error, "TRANSPORT_LOST", undefined);
    }
    if (bytesRead === 0) {
      throw new MigrationError("STREAM_TRUNCATED", { offset: offset + done });
    }
    done += bytesRead;
  }
}

function asTransportError(
  error: unknown,
  code: "TRANSPORT_OPEN" | "TRANSPORT_LOST",
  path: string | undefined,
): unknown {
  if (error instanceof MigrationError) {
    return error;
  }
  const errno = error instanceof Error && "code" in error ? String(error.code) : undefined;
  return new MigrationError(code, { path, errno }, error);
}
