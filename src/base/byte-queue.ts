/** Smallest memory for octets that wait. */
const KEPT_BYTES_MIN = 4096;

/**
 * Collects chunks of any size into views of the sizes a reader asks for.
 *
 * A view lies in the chunk itself where it can, else in memory that grows with what has arrived:
 * at most twice that, and never more than the largest view asked for.
 */
export class ByteQueue {
  #kept: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #keptBytes = 0;
  #chunk = new Uint8Array(0);

  /** Octets that could be taken now. */
  get availableBytes(): number {
    return this.#keptBytes + this.#chunk.length;
  }

  /** Offers a chunk, which the queue refers to until all of it was taken or {@link take} fails. */
  offer(chunk: Uint8Array<ArrayBufferLike>): void {
    if (this.#chunk.length > 0) {
      this.#keep(this.#chunk.length, this.availableBytes);
    }
    this.#chunk = chunk as Uint8Array<ArrayBuffer>;
  }

  /**
   * Takes exactly `byteCount` octets, or `undefined` if fewer are there; then all are copied and
   * the caller may reuse the chunk's memory.
   *
   * @returns a view valid until the next call of any method.
   */
  take(byteCount: number): Uint8Array | undefined {
    if (this.availableBytes < byteCount) {
      this.#keep(this.#chunk.length, byteCount);
      return undefined;
    }
    if (this.#keptBytes === 0) {
      const view = this.#chunk.subarray(0, byteCount);
      this.#chunk = this.#chunk.subarray(byteCount);
      return view;
    }
    this.#keep(Math.max(0, byteCount - this.#keptBytes), byteCount);
    return this.#takeKept(byteCount);
  }

  /** Takes at least one octet and at most `byteCountMax`; `undefined` if there is none. */
  takeSome(byteCountMax: number): Uint8Array | undefined {
    const held = this.#keptBytes > 0 ? this.#keptBytes : this.#chunk.length;
    return held === 0 ? undefined : this.take(Math.min(held, byteCountMax));
  }

  /** Kept octets that are not asked for stay in front of what comes. */
  #takeKept(byteCount: number): Uint8Array {
    const kept = this.#kept.subarray(0, this.#keptBytes);
    const restBytes = kept.length - byteCount;
    if (restBytes > 0) {
      this.#kept = kept.slice(byteCount);
    }
    this.#keptBytes = restBytes;
    return kept.subarray(0, byteCount);
  }

  /** Copies the chunk's first octets behind those kept, in memory of at most `byteCountMax`. */
  #keep(byteCount: number, byteCountMax: number): void {
    const neededBytes = this.#keptBytes + byteCount;
    if (this.#kept.length < neededBytes) {
      const roomBytes = Math.max(KEPT_BYTES_MIN, neededBytes, this.#kept.length * 2);
      const grown = new Uint8Array(Math.max(neededBytes, Math.min(roomBytes, byteCountMax)));
      grown.set(this.#kept.subarray(0, this.#keptBytes));
      this.#kept = grown;
    }
    this.#kept.set(this.#chunk.subarray(0, byteCount), this.#keptBytes);
    this.#keptBytes = neededBytes;
    this.#chunk = this.#chunk.subarray(byteCount);
  }
}
