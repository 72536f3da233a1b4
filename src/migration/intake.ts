import type { IntakeParts } from "../report/profile.ts";
import { COUNTER, makeCounters, type PumpCounters } from "../transport/pump-counters.ts";
import type { ProgressListener } from "./progress.ts";
import { intakeOf } from "./pump-counts.ts";

/** How often progress is looked at (ms). */
const PROGRESS_MS = 50;

/** What is reached while a guest comes in, in this order; the last four by migrations alone. */
export type IntakeStep =
  /** The empty guest is made. */
  | "guest"
  /** The first pages are there. */
  | "memory"
  /** The guest's state has been read. */
  | "state"
  /** Memory and state are in their places. */
  | "restored"
  | "ready"
  | "permitted"
  | "started"
  | "reported";

/** Follows an image on its way in, over all channels, and tells of it. */
export class Intake {
  /** Get what is taken, by whoever takes it. */
  readonly counters: PumpCounters = makeCounters();
  readonly #onProgress: ProgressListener;
  readonly #timer: NodeJS.Timeout | undefined;
  #hasMemory = false;

  /** @param onProgress absent where nobody wants to know. */
  constructor(onProgress?: ProgressListener) {
    this.#onProgress = onProgress ?? (() => undefined);
    this.#timer = onProgress && setInterval(() => this.#tellTaken(), PROGRESS_MS);
  }

  /** Where time went, so far. */
  get parts(): IntakeParts {
    return intakeOf(this.counters);
  }

  reached(step: IntakeStep): void {
    this.#onProgress({ kind: "step", step });
  }

  /** Pages come, for the first time or again. */
  memoryBegins(): void {
    if (!this.#hasMemory) {
      this.#hasMemory = true;
      this.reached("memory");
    }
  }

  /** Counts what this thread has taken, and no other counts. */
  took({ pages, bytes }: { readonly pages: number; readonly bytes: number }): void {
    this.counters[COUNTER.PAGES_TAKEN]! += BigInt(pages);
    this.counters[COUNTER.BYTES]! += BigInt(bytes);
  }

  /** Tells the rest; the last call. */
  end(): void {
    clearInterval(this.#timer);
    this.#tellTaken();
  }

  #tellTaken(): void {
    const pages = Number(this.counters[COUNTER.PAGES_TAKEN]);
    const bytes = Number(this.counters[COUNTER.BYTES]);
    this.#onProgress({ kind: "taken", pages, bytes });
  }
}
