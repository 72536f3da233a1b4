import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../base/clock.ts";

/** Seconds' worth of octets that may go at once. Twin: native/pump/throttle.cc. */
const BUCKET_SECONDS = 0.05;

/** Keeps a rate in octets a second: a bucket of tokens. */
export class Throttle {
  readonly #bytesPerSecondMax: number;
  readonly #clock: Clock;
  #tokens = 0;
  #filledMs: number;

  /** @param bytesPerSecondMax 0 is no limit. */
  constructor(bytesPerSecondMax: number, clock: Clock) {
    this.#bytesPerSecondMax = bytesPerSecondMax;
    this.#clock = clock;
    this.#filledMs = clock.nowMs();
  }

  /**
   * Waits until `byteCount` octets may go: until the debt of those before them is paid. Returns
   * early when `signal` aborts.
   */
  async take(byteCount: number, signal: AbortSignal): Promise<void> {
    const rate = this.#bytesPerSecondMax;
    if (rate === 0) {
      return;
    }
    for (;;) {
      const nowMs = this.#clock.nowMs();
      const earned = ((nowMs - this.#filledMs) / 1000) * rate;
      this.#filledMs = nowMs;
      this.#tokens = Math.min(this.#tokens + earned, rate * BUCKET_SECONDS);
      if (this.#tokens >= 0 || signal.aborted) {
        break;
      }
      const waitMs = (-this.#tokens / rate) * 1000;
      await sleep(Math.max(1, waitMs), undefined, { signal }).catch(() => undefined);
    }
    this.#tokens -= byteCount;
  }
}
