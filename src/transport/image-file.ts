import { type FileHandle, open } from "node:fs/promises";
import { MigrationError } from "../base/errors.ts";
import type { ByteSource, DirectPipe } from "../base/io.ts";
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
    return await ImageReader.open({ chunks: () => input });
  }
  const file = await openFile(input);
  try {
    const stats = await file.stat();
    if (stats.isDirectory()) {
      throw new MigrationError("TRANSPORT_OPEN", { path: input, errno: "EISDIR" });
    }
    const fileBytes = stats.isFile() ? stats.size : undefined;
    const chunks = (offset: number) =>
      readChunks({ file, path: input, position: stats.isFile() ? offset : null });
    return await ImageReader.open({ chunks, file, fileBytes });
  } catch (error) {
    await file.close();
    throw asTransportError(error, "TRANSPORT_OPEN", input);
  }
}

/** What an image is read from. */
interface ImageInput {
  /** Its octets as they are stored, from `offset` on, which is 0 unless the file is seekable. */
  readonly chunks: (offset: number) => AsyncIterable<Uint8Array>;
  readonly file?: FileHandle;
  /** Only of files that are seekable. */
  readonly fileBytes?: number | undefined;
}

class ImageReader implements ImageSource {
  readonly compression: "none" | "zstd";
  readonly randomAccess: RandomAccess | undefined;
  readonly fileBytes: number | undefined;
  readonly #input: ImageInput;
  #raw: CountedChunks;
  #source: BufferedSource;
  #isClosed = false;

  private constructor(input: ImageInput, raw: CountedChunks, compression: "none" | "zstd") {
    const { file, fileBytes } = input;
    this.#input = input;
    this.#raw = raw;
    this.compression = compression;
    this.fileBytes = fileBytes;
    const isSeekable = file !== undefined && fileBytes !== undefined && compression === "none";
    this.randomAccess = isSeekable
      ? { readAt: (offset, out) => readFileAt(file, offset, out) }
      : undefined;
    const chunks = compression === "zstd" ? decompressZstd(new BufferedSource(raw)) : raw;
    this.#source = new BufferedSource(chunks);
  }

  /** Looks at the first octets to choose. */
  static async open(input: ImageInput): Promise<ImageReader> {
    const raw = new CountedChunks(input.chunks(0), 0);
    const compression = isZstd(await raw.peek()) ? "zstd" : "none";
    return new ImageReader(input, raw, compression);
  }

  /** Only of plain files; what was read ahead is read again from where `advance` leads to. */
  get direct(): DirectPipe | undefined {
    const { file } = this.#input;
    if (this.randomAccess === undefined || file === undefined || this.#isClosed) {
      return undefined;
    }
    const advance = (byteCount: number) => {
      const offset = this.offset + byteCount;
      this.#raw = new CountedChunks(this.#input.chunks(offset), offset);
      this.#source = new BufferedSource(this.#raw, undefined, offset);
    };
    return { fd: file.fd, isPositioned: true, advance };
  }

  get offset(): number {
    return this.#source.offset;
  }

  get fileOffset(): number {
    return this.#raw.offset;
  }

  exactly(byteCount: number): Promise<Uint8Array> {
    return this.#source.exactly(byteCount);
  }

  some(byteCountMax: number): Promise<Uint8Array | undefined> {
    return this.#source.some(byteCountMax);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    try {
      await this.#source.close();
      await this.#raw.close();
    } finally {
      await this.#input.file?.close();
    }
  }
}

/** Chunks of which the first octets can be looked at beforehand. */
class CountedChunks implements AsyncIterable<Uint8Array> {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #peeked: Uint8Array | undefined;
  #offset: number;

  constructor(chunks: AsyncIterable<Uint8Array>, offset: number) {
    this.#iterator = chunks[Symbol.asyncIterator]();
    this.#offset = offset;
  }

  /** Of what is handed on next. */
  get offset(): number {
    return this.#offset;
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
      this.#offset += peeked.length;
      yield peeked;
    }
    for (;;) {
      const next = await this.#iterator.next();
      if (next.done === true) {
        return;
      }
      this.#offset += next.value.length;
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

/** Every chunk lies in the same memory. `position` is null where there are no places. */
async function* readChunks({
  file,
  path,
  position,
}: {
  readonly file: FileHandle;
  readonly path: string;
  readonly position: number | null;
}): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = new Uint8Array(READ_BYTES);
  let at = position;
  for (;;) {
    let bytesRead: number;
    try {
      ({ bytesRead } = await file.read(buffer, 0, READ_BYTES, at));
    } catch (error) {
      throw asTransportError(error, "TRANSPORT_LOST", path);
    }
    if (bytesRead === 0) {
      return;
    }
    at = at === null ? null : at + bytesRead;
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
