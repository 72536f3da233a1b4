import { ftruncate } from "node:fs";
import { promisify } from "node:util";
import { MigrationError } from "../base/errors.ts";
import type { ByteSink } from "../base/io.ts";

/** Zeros that are written at once where there can be no holes. */
const ZEROS = new Uint8Array(1024 * 1024);

const setLength = promisify(ftruncate);

/** An output of which zeros become holes where it is a file, and are written where it is a pipe. */
export class SparseOutput {
  readonly #sink: ByteSink;
  #endsWithHole = false;
  #holeBytes = 0;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Octets so far, holes included. */
  get offset(): number {
    return this.#sink.offset;
  }

  /** Octets of them that were left out. */
  get holeBytes(): number {
    return this.#holeBytes;
  }

  /** @throws MigrationError TRANSPORT_LOST */
  async write(...chunks: readonly Uint8Array[]): Promise<void> {
    await this.#sink.write(...chunks);
    this.#endsWithHole = false;
  }

  /** Goes on behind so many zeros. @throws MigrationError TRANSPORT_LOST */
  async skip(byteCount: number): Promise<void> {
    const { direct } = this.#sink;
    if (byteCount > 0 && direct?.isPositioned === true) {
      direct.advance(byteCount);
      this.#endsWithHole = true;
      this.#holeBytes += byteCount;
      return;
    }
    for (let rest = byteCount; rest > 0; rest -= ZEROS.length) {
      await this.#sink.write(ZEROS.subarray(0, Math.min(rest, ZEROS.length)));
    }
  }

  /** Gives a file that ends with a hole its length. To be called before the sink's `end`. */
  async finish(): Promise<void> {
    const { direct, offset } = this.#sink;
    if (this.#endsWithHole && direct !== undefined) {
      try {
        await setLength(direct.fd, offset);
      } catch (error) {
        throw new MigrationError("TRANSPORT_LOST", { offset }, error);
      }
    }
  }
}
