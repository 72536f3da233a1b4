import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../base/clock.ts";
import type { DirtyCurve } from "../report/profile.ts";
import { ThinnedSeries } from "../report/thinned-series.ts";

/** How long an iteration lasts before it is looked into, and the least time between looks (ms). */
const INTERVAL_MS = 100;

/** Part of the time that looking may take, as its reciprocal. */
const COST_DIVISOR = 100;

/** Part of an iteration between looks, as its reciprocal: one that lasts needs no more of them. */
const PROGRESS_DIVISOR = 20;

const SAMPLES_MAX = 64;

/** Looks at how many pages are dirty while an iteration runs: seldom, and never in short ones. */
export class DirtySampler {
  readonly #peekDirty: () => Promise<number>;
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #samples = new ThinnedSeries<DirtyCurve[number]>(SAMPLES_MAX);
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;

  /** Starts looking; times count from now on. */
  constructor(peekDirty: () => Promise<number>, clock: Clock) {
    this.#peekDirty = peekDirty;
    this.#clock = clock;
    this.#startMs = clock.nowMs();
    // A guest that is lost, too, ends it: the iteration itself says so.
    this.#running = this.#run().catch(() => undefined);
  }

  /** Ends it; resolves with what was seen when no look is under way any more. */
  async end(): Promise<DirtyCurve> {
    this.#ending.abort();
    await this.#running;
    return this.#samples.entries();
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    let waitMs = INTERVAL_MS;
    for (;;) {
      await sleep(waitMs, undefined, { signal });
      const atMs = this.#clock.nowMs() - this.#startMs;
      const dirtyPages = await this.#peekDirty();
      this.#samples.add({ atMs, dirtyPages });
      const costMs = this.#clock.nowMs() - this.#startMs - atMs;
      const progressMs = atMs / PROGRESS_DIVISOR;
      waitMs = Math.max(INTERVAL_MS, costMs * COST_DIVISOR, progressMs);
    }
  }
}
