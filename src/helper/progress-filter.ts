import type { Clock } from "../base/clock.ts";

/** How far something is. `done` equals `total` when it is over; both are 0 for a mere event. */
export interface ProgressReport {
  readonly context: string;
  readonly what: string;
  readonly done: number;
  readonly total: number;
}

/** Time between two reports that are neither first nor last (ms): libxl handles each by itself. */
const INTERVAL_MS = 100;

/** Chooses the progress reports that are worth a message: the first, the last, a few between. */
export class ProgressFilter {
  readonly #clock: Clock;
  #what: string | undefined;
  #sentMs = 0;
  /** The newest report that was not sent. */
  #held: ProgressReport | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes a report; returns those to send now, in order. */
  accept(report: ProgressReport): readonly ProgressReport[] {
    const isFirst = report.what !== this.#what;
    const before = isFirst ? this.flush() : [];
    const isDue = this.#clock.nowMs() - this.#sentMs >= INTERVAL_MS;
    if (!isFirst && !isDue && report.done < report.total) {
      this.#held = report;
      return before;
    }
    this.#what = report.what;
    this.#sentMs = this.#clock.nowMs();
    this.#held = undefined;
    return [...before, report];
  }

  /** The report held back, if there is one, to be sent before something else is. */
  flush(): readonly ProgressReport[] {
    const held = this.#held;
    this.#held = undefined;
    return held === undefined ? [] : [held];
  }
}
