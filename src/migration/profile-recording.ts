import type { Clock } from "../base/clock.ts";
import type { PageEngine } from "../engine/types.ts";
import type { GuestSource } from "../guest/types.ts";
import type { Profile } from "../report/profile.ts";
import { MemoryWatch } from "./memory-watch.ts";
import type { IterationWatch } from "./precopy.ts";
import type { ProgressListener } from "./progress.ts";
import { Timeline } from "./timeline.ts";

interface Parts {
  readonly clock: Clock;
  /** When the operation began, on `clock`. */
  readonly startMs: number;
  /** Whose memory is sent; absent at the receiving end. */
  readonly sent?: { readonly guest: GuestSource; readonly engine: PageEngine };
}

/** Collects what a profile tells beyond its iterations, while an operation is under way. */
export class ProfileRecording {
  readonly #timeline: Timeline;
  readonly #memory: MemoryWatch | undefined;
  readonly listener: ProgressListener;

  constructor({ clock, startMs, sent }: Parts) {
    this.#timeline = new Timeline(clock, startMs);
    this.#memory = sent && new MemoryWatch({ ...sent, clock });
    this.listener = (event) => this.#timeline.take(event);
  }

  /** To be told of iterations; absent at the receiving end. */
  get watch(): IterationWatch | undefined {
    return this.#memory;
  }

  /** Ends it, and gives what was collected. */
  async finish(): Promise<Pick<Profile, "events" | "samples" | "heat">> {
    const heat = await this.#memory?.finish();
    return { ...this.#timeline.content(), ...(heat && { heat }) };
  }
}
