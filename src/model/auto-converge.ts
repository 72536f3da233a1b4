import type { IterationStatistics } from "../report/profile.ts";
import type { ThrottleState } from "./policy.ts";

/** Shares of the vCPUs' time that are taken (percent). @source QEMU qapi/migration.json */
const INITIAL_PERCENT = 20;
const STEP_PERCENT = 10;
const PERCENT_MAX = 99;

/** An iteration gains too little where so much of what it sent is dirty when it ends. */
const DIRTY_SHARE = 0.5;

/** Iterations that gain too little before the guest is slowed down, and between two steps. */
const ITERATIONS_PER_STEP = 2;

/**
 * Decides how far a guest is to be slowed down so that pre-copy converges: after two iterations
 * that gained too little by 20 percent, then by 10 more each time, up to 99.
 *
 * @source QEMU's auto-converge: migration/ram.c, migration_trigger_throttle, and the defaults of
 *   throttle-trigger-threshold, cpu-throttle-initial, cpu-throttle-increment, max-cpu-throttle
 */
export class AutoConverge {
  #percent = 0;
  #poorIterations = 0;
  #sinceIteration = 0;

  get state(): ThrottleState {
    return {
      percent: this.#percent,
      canRise: this.#percent < PERCENT_MAX,
      sinceIteration: this.#sinceIteration,
    };
  }

  /** Takes note of an iteration that has ended. @returns whether the share is another now. */
  observe({ iteration, pagesPlanned, dirtyPagesAtEnd }: IterationStatistics): boolean {
    const isPoor = dirtyPagesAtEnd !== "unknown" && dirtyPagesAtEnd > pagesPlanned * DIRTY_SHARE;
    this.#poorIterations += isPoor ? 1 : 0;
    if (this.#poorIterations < ITERATIONS_PER_STEP || this.#percent === PERCENT_MAX) {
      return false;
    }
    this.#poorIterations = 0;
    const next = this.#percent === 0 ? INITIAL_PERCENT : this.#percent + STEP_PERCENT;
    this.#percent = Math.min(PERCENT_MAX, next);
    this.#sinceIteration = iteration + 1;
    return true;
  }
}
