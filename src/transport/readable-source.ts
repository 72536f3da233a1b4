import type { Readable } from "node:stream";
import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";

/** What may wait unread, beyond what the reader asked for, before the pipe is told to stop. */
const QUEUE_BYTES_MAX = 8 << 20;

/** A {@link ByteSource} over a Node stream: a socket, or a child's output. */
export class ReadableSource implements ByteSource {
  readonly #stream: Readable;
  readonly #chunks: Uint8Array[] = [];
  #queuedBytes = 0;
  #wantedBytes = 0;
  #offset = 0;
  #scratch = new Uint8Array(0);
  #ended = false;
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(stream: Readable) {
    this.#stream = stream;
    stream.on("data", (chunk: Uint8Array) => this.#accept(chunk));
    stream.on("end", () => this.#finish(undefined));
    stream.on("error", (error) => this.#finish(error));
    stream.on("close", () => this.#finish(undefined));
  }

  get offset(): number {
    return this.#offset;
  }

  async exactly(byteCount: number): Promise<Uint8Array> {
    while (this.#queuedBytes < byteCount) {
      await this.#more(byteCount);
      if (this.#ended && this.#queuedBytes < byteCount) {
        throw this.#endedEarly(byteCount);
      }
    }
    return this.#take(byteCount);
  }

  async some(byteCountMax: number): Promise<Uint8Array | undefined> {
    while (this.#queuedBytes === 0) {
      if (this.#ended) {
        if (this.#failure !== undefined) {
          throw this.#lost();
        }
        return undefined;
      }
      await this.#more(1);
    }
    const first = this.#chunks[0]!;
    return this.#take(Math.min(first.length, byteCountMax));
  }

  async close(): Promise<void> {
    this.#stream.destroy();
  }

  #accept(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#queuedBytes += chunk.length;
    if (this.#queuedBytes >= this.#wantedBytes) {
      this.#wakeReader();
      if (this.#queuedBytes > QUEUE_BYTES_MAX) {
        this.#stream.pause();
      }
    }
  }

  #finish(failure: unknown): void {
    this.#ended = true;
    this.#failure ??= failure;
    this.#wakeReader();
  }

  #wakeReader(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  async #more(wantedBytes: number): Promise<void> {
    if (this.#ended) {
      return;
    }
    this.#wantedBytes = wantedBytes;
    this.#stream.resume();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wantedBytes = 0;
  }

  #take(byteCount: number): Uint8Array {
    const first = this.#chunks[0];
    this.#offset += byteCount;
    this.#queuedBytes -= byteCount;
    if (first === undefined || byteCount === 0) {
      return new Uint8Array(0);
    }
    if (first.length > byteCount) {
      this.#chunks[0] = first.subarray(byteCount);
      return first.subarray(0, byteCount);
    }
    if (first.length === byteCount) {
      this.#chunks.shift();
      return first;
    }
    return this.#assemble(byteCount);
  }

  #assemble(byteCount: number): Uint8Array {
    if (this.#scratch.length < byteCount) {
      this.#scratch = new Uint8Array(byteCount);
    }
    let filled = 0;
    let used = 0;
    while (filled < byteCount) {
      const chunk = this.#chunks[used]!;
      const part = chunk.subarray(0, byteCount - filled);
      this.#scratch.set(part, filled);
      filled += part.length;
      if (part.length === chunk.length) {
        used++;
      } else {
        this.#chunks[used] = chunk.subarray(part.length);
      }
    }
    this.#chunks.splice(0, used);
    return this.#scratch.subarray(0, byteCount);
  }

  #endedEarly(byteCount: number): MigrationError {
    if (this.#failure !== undefined) {
      return this.#lost();
    }
    const offset = this.#offset + this.#queuedBytes;
    const facts = { offset, wantedBytes: byteCount, gotBytes: this.#queuedBytes };
    return new MigrationError("STREAM_TRUNCATED", facts);
  }

  #lost(): MigrationError {
    return new MigrationError("TRANSPORT_LOST", { offset: this.#offset }, this.#failure);
  }
}
