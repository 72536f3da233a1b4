import { closeSync } from "node:fs";
import { MigrationError } from "../base/errors.ts";
import type { ByteSource, DirectPipe } from "../base/io.ts";
import { type PumpAddon, type PumpFailure, pumpError, type ReadableWatch } from "./pump-addon.ts";

/** What a view may grow by before its octets have arrived. */
const GROWTH_BYTES_MAX = 4 << 20;

/**
 * A {@link ByteSource} that reads from a descriptor what it is asked for and no octet ahead, so
 * that a pump can go on where it stands.
 */
export class DescriptorSource implements ByteSource {
  readonly #pump: PumpAddon;
  readonly #fd: number;
  readonly #watch: ReadableWatch;
  #buffer = new Uint8Array(4096);
  #offset = 0;
  #isClosed = false;

  /**
   * @param fd of a socket or pipe that nothing else reads; duplicated, so still the caller's.
   * @throws MigrationError TRANSPORT_OPEN
   */
  constructor(pump: PumpAddon, fd: number) {
    this.#pump = pump;
    this.#fd = pump.duplicate(fd);
    if (this.#fd < 0) {
      throw new MigrationError("TRANSPORT_OPEN", { call: "dup", errno: -this.#fd });
    }
    this.#watch = new pump.ReadableWatch(this.#fd);
  }

  get offset(): number {
    return this.#offset;
  }

  get direct(): DirectPipe | undefined {
    if (this.#isClosed) {
      return undefined;
    }
    const advance = (byteCount: number) => {
      this.#offset += byteCount;
    };
    return { fd: this.#fd, isPositioned: false, advance };
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

  async close(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#watch.close();
    closeSync(this.#fd);
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
        throw this.#lost();
      }
      const count = this.#pump.readNow(this.#fd, out);
      if (typeof count !== "number") {
        throw this.#lost(count.failure);
      }
      if (count >= 0) {
        return count;
      }
      const { failure } = await this.#watch.wait();
      if (failure !== undefined) {
        throw this.#lost(failure);
      }
    }
  }

  #lost(failure?: PumpFailure): MigrationError {
    const cause = failure && pumpError(failure);
    return new MigrationError("TRANSPORT_LOST", { offset: this.#offset }, cause);
  }
}
