/** What carries pages. */
export interface Link {
  /** Octets a second in the long run. */
  readonly bytesPerSecond: number;
  /** Where it is a limit of our own that makes it slow, and not the wire. */
  readonly limiter?: Limiter | undefined;
}

/**
 * A bucket of tokens: a batch goes at the wire's pace when the debt of those before it is paid, so
 * what goes last is not waited for.
 *
 * @source src/migration/throttle.ts, native/pump/throttle.cc
 */
export interface Limiter {
  readonly batchBytes: number;
  /** What the bucket holds, in milliseconds of the limit. */
  readonly bucketMs: number;
  readonly lineBytesPerSecond: number;
}

/** The limiter of `--bandwidth-max`: batches of 1,024 pages, a twentieth of a second. */
export function ownLimiter(lineBytesPerSecond: number): Limiter {
  return { batchBytes: 1024 * 4104 + 16, bucketMs: 50, lineBytesPerSecond };
}

/** A link in use. */
export class LinkUse {
  readonly #link: Link;
  #tokens = 0;
  #filledMs = 0;

  constructor(link: Link) {
    this.#link = link;
  }

  /** The same link, as it is now, to try something with. */
  copy(): LinkUse {
    const other = new LinkUse(this.#link);
    other.#tokens = this.#tokens;
    other.#filledMs = this.#filledMs;
    return other;
  }

  /** How long sending so many octets takes from `nowMs` on (ms). */
  send(bytes: number, nowMs: number): number {
    const { bytesPerSecond, limiter } = this.#link;
    if (limiter === undefined) {
      return (bytes * 1000) / bytesPerSecond;
    }
    let atMs = nowMs;
    for (let left = bytes; left > 0; left -= limiter.batchBytes) {
      const batch = Math.min(left, limiter.batchBytes);
      this.#fill(atMs, limiter);
      const waitMs = Math.ceil((Math.max(0, -this.#tokens) * 1000) / bytesPerSecond);
      atMs += waitMs;
      this.#fill(atMs, limiter);
      this.#tokens -= batch;
      atMs += (batch * 1000) / limiter.lineBytesPerSecond;
    }
    return atMs - nowMs;
  }

  #fill(nowMs: number, { bucketMs }: Limiter): void {
    const { bytesPerSecond } = this.#link;
    const earned = ((nowMs - this.#filledMs) * bytesPerSecond) / 1000;
    this.#tokens = Math.min(this.#tokens + earned, (bytesPerSecond * bucketMs) / 1000);
    this.#filledMs = nowMs;
  }
}
