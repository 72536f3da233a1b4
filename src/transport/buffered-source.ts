import { ByteQueue } from "../base/byte-queue.ts";
import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";

/**
 * A {@link ByteSource} over chunks of any size.
 *
 * A chunk is used up, or copied, before the next one is asked for: the producer may reuse its
 * memory. Memory grows with what has arrived, to at most twice the largest view asked for.
 */
export class BufferedSource implements ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  readonly #onClose: () => Promise<void>;
  readonly #queue = new ByteQueue();
  #offset: number;
  #hasEnded = false;

  /**
   * @param chunks pulled one by one as octets are asked for; ended when this source is closed.
   * @param onClose called once, after that.
   * @param offset of the first octet.
   */
  constructor(
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    onClose: () => Promise<void> = async () => {},
    offset = 0,
  ) {
    this.#offset = offset;
    this.#chunks =
      Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]();
    this.#onClose = onClose;
  }

  get offset(): number {
    return this.#offset;
  }

  async exactly(byteCount: number): Promise<Uint8Array> {
    let view = this.#queue.take(byteCount);
    while (view === undefined) {
      if (!(await this.#refill())) {
        const offset = this.#offset + this.#queue.availableBytes;
        throw new MigrationError("STREAM_TRUNCATED", { offset });
      }
      view = this.#queue.take(byteCount);
    }
    this.#offset += byteCount;
    return view;
  }

  async some(byteCountMax: number): Promise<Uint8Array | undefined> {
    let view = this.#queue.takeSome(byteCountMax);
    while (view === undefined) {
      if (!(await this.#refill())) {
        return undefined;
      }
      view = this.#queue.takeSome(byteCountMax);
    }
    this.#offset += view.length;
    return view;
  }

  async close(): Promise<void> {
    try {
      await this.#chunks.return?.();
    } finally {
      await this.#onClose();
    }
  }

  async #refill(): Promise<boolean> {
    if (!this.#hasEnded) {
      const next = await this.#chunks.next();
      if (next.done === true) {
        this.#hasEnded = true;
      } else {
        this.#queue.offer(next.value);
      }
    }
    return !this.#hasEnded;
  }
}
