import type { Clock } from "../base/clock.ts";
import { BoundedLog } from "../report/bounded-log.ts";
import type { Profile } from "../report/profile.ts";
import { ThinnedSeries } from "../report/thinned-series.ts";
import type { ProgressEvent } from "./progress.ts";

const EVENTS_MAX = 1000;
const SAMPLES_MAX = 1000;

type TimedEvent = NonNullable<Profile["events"]>[number];
type Sample = NonNullable<Profile["samples"]>[number];

/** Keeps what happened when, for a profile: a few words for each event, and bounded in all. */
export class Timeline {
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #events = new BoundedLog<TimedEvent>(EVENTS_MAX);
  readonly #samples = new ThinnedSeries<Sample>(SAMPLES_MAX);
  /** Pages of the iterations that are over. */
  #pagesBefore = 0;

  /** @param startMs when the operation began, on `clock`. */
  constructor(clock: Clock, startMs: number) {
    this.#clock = clock;
    this.#startMs = startMs;
  }

  take(event: ProgressEvent): void {
    const atMs = this.#clock.nowMs() - this.#startMs;
    switch (event.kind) {
      case "pages":
        this.#samples.add({ atMs, bytes: event.bytes, pages: this.#pagesBefore + event.pagesDone });
        return;
      case "taken":
        this.#samples.add({ atMs, bytes: event.bytes, pages: event.pages });
        return;
      case "iteration": {
        const { pagesSent, pagesAllocateOnly, pagesDeferred, pagesUnchanged } = event.statistics;
        this.#pagesBefore += pagesSent + pagesAllocateOnly + pagesDeferred + pagesUnchanged;
        return;
      }
      default:
        this.#events.add({ atMs, event: wordsOf(event) });
    }
  }

  /** What was kept. */
  content(): Pick<Profile, "events" | "samples"> {
    return { events: this.#events.entries(), samples: this.#samples.entries() };
  }
}

function wordsOf(event: Extract<ProgressEvent, { kind: "phase" | "decision" | "step" }>): string {
  switch (event.kind) {
    case "phase":
      return event.phase;
    case "decision":
      return `decision: ${event.action} (${event.reason})`;
    case "step":
      return event.step;
  }
}
