import { openSync } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { MigrationError } from "../base/errors.ts";
import type { ByteSink, DirectPipe } from "../base/io.ts";
import { descriptorSink } from "./descriptor-sink.ts";
import { writeAll } from "./write-all.ts";

/**
 * Opens a file to save into: a hidden temporary name beside `filePath`, mode 0600, which `end`
 * makes durable and renames, and `abort` removes.
 *
 * @throws MigrationError TRANSPORT_OPEN
 */
export async function createFileSink(filePath: string): Promise<ByteSink> {
  const temporary = temporaryBeside(filePath);
  try {
    const handle = await open(temporary, "wx", 0o600);
    return new FileSink(handle, { temporary, final: filePath });
  } catch (error) {
    throw new MigrationError("TRANSPORT_OPEN", { file: filePath }, error);
  }
}

/** The hidden name that a file has until it is complete. */
export function temporaryBeside(filePath: string): string {
  const folder = path.dirname(filePath);
  return path.join(folder, `.${path.basename(filePath)}.${process.pid}.partial`);
}

/**
 * Opens what `outputPath` names for writing: a file as {@link createFileSink} does, and a pipe or
 * device, which there is nothing to put in the place of, as it is.
 *
 * @throws MigrationError TRANSPORT_OPEN
 */
export async function openOutput(outputPath: string): Promise<ByteSink> {
  const stats = await stat(outputPath).catch(() => undefined);
  if (stats === undefined || stats.isFile()) {
    return createFileSink(outputPath);
  }
  try {
    return descriptorSink(openSync(outputPath, "w"));
  } catch (error) {
    throw new MigrationError("TRANSPORT_OPEN", { file: outputPath }, error);
  }
}

class FileSink implements ByteSink {
  readonly #handle: FileHandle;
  readonly #names: { readonly temporary: string; readonly final: string };
  #offset = 0;
  #tail: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(handle: FileHandle, names: { readonly temporary: string; readonly final: string }) {
    this.#handle = handle;
    this.#names = names;
  }

  get offset(): number {
    return this.#offset;
  }

  get direct(): DirectPipe {
    const advance = (byteCount: number) => {
      this.#offset += byteCount;
    };
    return { fd: this.#handle.fd, isPositioned: true, advance };
  }

  write(...chunks: readonly Uint8Array[]): Promise<void> {
    const position = this.#offset;
    this.#offset += chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#tail = this.#tail.then(() => this.#writeAt(chunks, position));
    return this.#tail;
  }

  async end(): Promise<void> {
    await this.#tail;
    try {
      await this.#handle.sync();
      await this.#close();
      await rename(this.#names.temporary, this.#names.final);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  async abort(): Promise<void> {
    await this.#tail.catch(() => undefined);
    await this.#close();
    await rm(this.#names.temporary, { force: true });
  }

  async #writeAt(chunks: readonly Uint8Array[], position: number): Promise<void> {
    try {
      await writeAll((parts, at) => this.#handle.writev(parts, at), chunks, position);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  async #close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      await this.#handle.close();
    }
  }

  #failed(error: unknown): MigrationError {
    return new MigrationError("TRANSPORT_LOST", { file: this.#names.final }, error);
  }
}
