import type { ProgressEvent } from "../../migration/progress.ts";

/** How long work is put off while a guest stands still (ms): longer than most do. */
const DELAY_MS = 100;

/** Phases and steps after which the guest stands still, at one end or the other. */
const STANDING_STILL: ReadonlySet<string> = new Set([
  "suspend",
  "stop-and-copy",
  "state",
  "handover",
  "resume",
  "restored",
  "ready",
  "permitted",
]);

/** Puts work off that need not be done at once: a little, and until a guest runs again. */
export class StandStill {
  readonly #work: () => void;
  #isStandingStill = false;
  #isScheduled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(work: () => void) {
    this.#work = work;
  }

  /** Is told of all progress. */
  sees(event: ProgressEvent): void {
    if (event.kind === "phase") {
      this.#isStandingStill = STANDING_STILL.has(event.phase);
    } else if (event.kind === "step") {
      this.#isStandingStill = STANDING_STILL.has(event.step);
    }
  }

  /** Has the work done soon, once for all calls until then. */
  schedule(): void {
    if (this.#isScheduled) {
      return;
    }
    this.#isScheduled = true;
    if (this.#isStandingStill) {
      this.#timer = setTimeout(() => this.#do(), DELAY_MS);
    } else {
      setImmediate(() => this.#do());
    }
  }

  /** Work that was put off is the caller's. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #do(): void {
    this.#isScheduled = false;
    this.#work();
  }
}
