import { AutoConverge } from "../model/auto-converge.ts";
import type { ThrottleState } from "../model/policy.ts";
import type { IterationStatistics } from "../report/profile.ts";
import type { ProgressListener } from "./progress.ts";

/** Slows a guest down, step by step, where pre-copy does not converge; on request only. */
export class GuestThrottle {
  readonly #converge = new AutoConverge();
  readonly #apply: (percent: number) => Promise<void>;
  readonly #onProgress: ProgressListener;

  /** @param apply takes so many percent of their time from the vCPUs. */
  constructor(apply: (percent: number) => Promise<void>, onProgress: ProgressListener) {
    this.#apply = apply;
    this.#onProgress = onProgress;
  }

  get state(): ThrottleState {
    return this.#converge.state;
  }

  /** Takes note of an iteration, and of what the next one is to run at. @throws GUEST_* */
  async observe(iteration: IterationStatistics): Promise<void> {
    if (this.#converge.observe(iteration)) {
      const { percent } = this.#converge.state;
      await this.#apply(percent);
      this.#onProgress({ kind: "step", step: `guest slowed down by ${percent} %` });
    }
  }

  /** Gives the guest its time back, if some was taken. */
  async release(): Promise<void> {
    if (this.#converge.state.percent > 0) {
      await this.#apply(0);
    }
  }
}
