/** Work that a stalled vCPU may catch up with (ms). */
const BACKLOG_MS_MAX = 100;

/** Shortest wait between two looks at the clock (ms). */
const TICK_MS = 1;

/** Most operations that one call to the machine code may be asked for. */
const DUE_MAX = 2 ** 31 - 1;

/** A token bucket: how many operations are due. The caller brings the time. */
export class Pacer {
  readonly #operationsPerMs: number;
  readonly #creditMax: number;
  #credit = 0;
  #accruedUntilMs = 0;

  constructor(operationsPerSecond: number) {
    this.#operationsPerMs = operationsPerSecond / 1000;
    this.#creditMax = Math.min(DUE_MAX, this.#operationsPerMs * BACKLOG_MS_MAX + 1);
  }

  /** Starts anew: what came due before is forgotten. */
  restart(nowMs: number): void {
    this.#credit = 0;
    this.#accruedUntilMs = nowMs;
  }

  /** Goes on at `nowMs`: in the time until then nothing came due. */
  skipTo(nowMs: number): void {
    this.#accruedUntilMs = nowMs;
  }

  /** Whole operations that are due at `nowMs`. */
  due(nowMs: number): number {
    const accrued = (nowMs - this.#accruedUntilMs) * this.#operationsPerMs;
    this.#credit = Math.min(this.#credit + accrued, this.#creditMax);
    this.#accruedUntilMs = nowMs;
    return Math.floor(this.#credit);
  }

  /** Takes note that `count` of them were done. */
  done(count: number): void {
    this.#credit -= count;
  }

  /** How long to wait for the next operation (ms); endless when none ever comes due. */
  waitMs(): number {
    return Math.max(TICK_MS, (1 - this.#credit) / this.#operationsPerMs);
  }
}
