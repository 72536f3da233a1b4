import { closeSync } from "node:fs";
import { MigrationError } from "../base/errors.ts";
import type { DirectPipe } from "../base/io.ts";
import { type PumpAddon, type PumpFailure, pumpError, type ReadableWatch } from "./pump-addon.ts";
import { ReadingSource } from "./reading-source.ts";

/**
 * A {@link ByteSource} that reads from a descriptor what it is asked for and no octet ahead, so
 * that a pump can go on where it stands.
 */
export class DescriptorSource extends ReadingSource {
  readonly #pump: PumpAddon;
  readonly #fd: number;
  readonly #watch: ReadableWatch;
  #isClosed = false;

  /**
   * @param fd of a socket or pipe that nothing else reads; duplicated, so still the caller's.
   * @throws MigrationError TRANSPORT_OPEN
   */
  constructor(pump: PumpAddon, fd: number) {
    super();
    this.#pump = pump;
    this.#fd = pump.duplicate(fd);
    if (this.#fd < 0) {
      throw new MigrationError("TRANSPORT_OPEN", { call: "dup", errno: -this.#fd });
    }
    this.#watch = new pump.ReadableWatch(this.#fd);
  }

  get direct(): DirectPipe | undefined {
    if (this.#isClosed) {
      return undefined;
    }
    const advance = (byteCount: number) => this.advance(byteCount);
    return { fd: this.#fd, isPositioned: false, advance };
  }

  override async close(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#watch.close();
    closeSync(this.#fd);
  }

  protected override async read(out: Uint8Array): Promise<number> {
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
    return new MigrationError("TRANSPORT_LOST", { offset: this.offset }, cause);
  }
}
