import type { Writable } from "node:stream";
import { MigrationError } from "../base/errors.ts";
import type { ByteSink, DirectPipe } from "../base/io.ts";
import { descriptorOf } from "./descriptor.ts";

/** A {@link ByteSink} over a Node stream: a socket, or a child's input. */
export class WritableSink implements ByteSink {
  readonly #stream: Writable;
  #offset = 0;
  #failure: unknown;
  #isGivenUp = false;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on("error", (error) => {
      this.#failure ??= error;
    });
  }

  get offset(): number {
    return this.#offset;
  }

  get direct(): DirectPipe | undefined {
    const fd = descriptorOf(this.#stream);
    if (fd === undefined || this.#stream.writableLength > 0) {
      return undefined;
    }
    const advance = (byteCount: number) => {
      this.#offset += byteCount;
    };
    return { fd, isPositioned: false, advance };
  }

  async write(...chunks: readonly Uint8Array[]): Promise<void> {
    if (chunks.length === 0) {
      return;
    }
    if (this.#failure !== undefined || this.#stream.destroyed) {
      throw this.#lost(this.#failure);
    }
    await new Promise<void>((resolve, reject) => {
      // Of a write under way Node says, when its stream is destroyed, that all went well.
      const settle = (error?: Error | null) =>
        error || this.#isGivenUp ? reject(this.#lost(error)) : resolve();
      const last = chunks.length - 1;
      this.#stream.cork();
      chunks.forEach((chunk, index) => {
        this.#offset += chunk.length;
        this.#stream.write(chunk, index < last ? undefined : settle);
      });
      this.#stream.uncork();
    });
  }

  async end(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#stream.once("error", (error) => reject(this.#lost(error)));
      this.#stream.end(() => resolve());
    });
  }

  async abort(): Promise<void> {
    this.#isGivenUp = true;
    this.#stream.destroy();
  }

  #lost(cause: unknown): MigrationError {
    return new MigrationError("TRANSPORT_LOST", { offset: this.#offset }, cause ?? undefined);
  }
}
