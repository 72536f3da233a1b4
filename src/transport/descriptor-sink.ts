import { MigrationError } from "../base/errors.ts";
import type { ByteSink, DirectPipe } from "../base/io.ts";
import { type PumpAddon, pumpError } from "./pump-addon.ts";

/**
 * A {@link ByteSink} over a descriptor of any kind, blocking or not, that writes on a thread of its
 * own: the event loop never waits for the other end.
 */
export class DescriptorSink implements ByteSink {
  readonly #pump: PumpAddon;
  readonly #fd: number;
  readonly #signal: AbortSignal;
  #offset = 0;

  /**
   * @param fd the caller's, and open as long as this is used; a file goes on where it stands.
   * @param signal ends a write under way.
   */
  constructor(pump: PumpAddon, fd: number, signal: AbortSignal) {
    this.#pump = pump;
    this.#fd = fd;
    this.#signal = signal;
  }

  get offset(): number {
    return this.#offset;
  }

  get direct(): DirectPipe {
    const advance = (byteCount: number) => {
      this.#offset += byteCount;
    };
    return { fd: this.#fd, isPositioned: false, advance };
  }

  async write(...chunks: readonly Uint8Array[]): Promise<void> {
    const cancel = new this.#pump.Cancel();
    const onAbort = () => cancel.fire();
    this.#signal.addEventListener("abort", onAbort);
    try {
      if (this.#signal.aborted) {
        cancel.fire();
      }
      const { failure } = await this.#pump.writeAll({ fd: this.#fd, chunks, cancel });
      if (failure !== undefined) {
        throw new MigrationError("TRANSPORT_LOST", { offset: this.#offset }, pumpError(failure));
      }
      this.#offset += chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    } finally {
      this.#signal.removeEventListener("abort", onAbort);
    }
  }

  /** What was written is with the kernel; the descriptor is the caller's. */
  async end(): Promise<void> {}

  /** @see end */
  async abort(): Promise<void> {}
}
