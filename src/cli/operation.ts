import type { PageEngine } from "../engine/types.ts";
import type { GuestSource } from "../guest/types.ts";
import { machineTime, ResourceMeter } from "../migration/own-process.ts";
import { makeProfile, writeProfile } from "../migration/profile-file.ts";
import type { ProfileContent, ProfileFrame } from "../migration/profile-frame.ts";
import { ProfileRecording } from "../migration/profile-recording.ts";
import type { ProgressListener } from "../migration/progress.ts";
import type { Profile } from "../report/profile.ts";
import type { Context } from "./context.ts";

/** What is wanted of an operation besides its work. */
export interface OperationOptions {
  /** File that the profile is written to, with all that it can tell. */
  readonly profile: string | undefined;
  /** Whose memory is sent; absent at the receiving end. */
  readonly sent?: { readonly guest: GuestSource; readonly engine: PageEngine };
}

/** A save, restore, migration or receipt as those who look on see it: from its start to its end. */
export class Operation {
  readonly startedAt = new Date();
  /** On the context's clock. */
  readonly startMs: number;
  readonly #context: Context;
  readonly #file: string | undefined;
  readonly #resources = new ResourceMeter();
  readonly #machineTime = machineTime();
  readonly #recording: ProfileRecording | undefined;

  /** Starts now. */
  constructor(context: Context, { profile, sent }: OperationOptions) {
    const { clock } = context;
    const startMs = clock.nowMs();
    this.startMs = startMs;
    this.#context = context;
    this.#file = profile;
    const parts = { clock, startMs, ...(sent && { sent }) };
    this.#recording = profile === undefined ? undefined : new ProfileRecording(parts);
  }

  /** What the transfer is to tell of its iterations, where that is wanted. */
  get watch() {
    return this.#recording?.watch;
  }

  /** Is to be told of all progress. */
  readonly listener: ProgressListener = (event) => this.#recording?.listener(event);

  /**
   * Ends it.
   *
   * @returns the profile, which is also written where that is wanted.
   * @throws MigrationError TRANSPORT_OPEN
   */
  async end(frame: ProfileFrame, content: Omit<ProfileContent, "totalMs">): Promise<Profile> {
    const totalMs = this.#context.clock.nowMs() - this.startMs;
    const recorded = await this.#recording?.finish();
    const clock = this.#machineTime;
    const profile = makeProfile(frame, {
      ...content,
      totalMs,
      ...(clock && { clock }),
      resources: this.#resources.used(),
      ...recorded,
    });
    if (this.#file !== undefined) {
      await writeProfile(this.#file, profile);
    }
    return profile;
  }
}
