import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";

/** What a view may grow by before its octets have arrived. */
const GROWTH_BYTES_MAX = 4 << 20;

/** A {@link ByteSource} that reads what it is asked for and no octet ahead; how, is its kind's. */
export abstract class ReadingSource implements ByteSource {
  #buffer = new Uint8Array(4096);
  #offset = 0;

  get offset(): number {
    return this.#offset;
  }

  async exactly(byteCount: number): Promise<Uint8Array> {
    let filled = 0;
    while (filled < byteCount) {
      const room = this.#room(Math.min(byteCount, filled + GROWTH_BYTES_MAX));
      const count = await this.read(room.subarray(filled));
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
    const count = await this.read(room);
    this.#offset += count;
    return count === 0 ? undefined : room.subarray(0, count);
  }

  abstract close(): Promise<void>;

  /** Reads at least one octet into `out`; 0 at the end. @throws MigrationError TRANSPORT_LOST */
  protected abstract read(out: Uint8Array): Promise<number>;

  /** Somebody else has read `byteCount` octets. */
  protected advance(byteCount: number): void {
    this.#offset += byteCount;
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
}
