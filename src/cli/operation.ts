import type { PageEngine } from "../engine/types.ts";
import type { GuestSource } from "../guest/types.ts";
import { machineTime, ResourceMeter } from "../migration/own-process.ts";
import { makeProfile, writeProfile } from "../migration/profile-file.ts";
import type { ProfileContent, ProfileFrame } from "../migration/profile-frame.ts";
import { ProfileRecording } from "../migration/profile-recording.ts";
import type { ProgressListener } from "../migration/progress.ts";
import type { Profile } from "../report/profile.ts";
import type { Context } from "./context.ts";

/** An operation, and what is wanted of it besides its work. */
export interface OperationTask {
  readonly operation: Profile["operation"];
  readonly target: string;
  /** File that the profile is written to, with all that it can tell. */
  readonly profile: string | undefined;
  /** Whose memory is sent; absent at the receiving end. */
  readonly sent?: { readonly guest: GuestSource; readonly engine: PageEngine };
}

/** What there is to say of an operation in the end, besides what it itself knows. */
type OperationContent = Omit<ProfileContent, "totalMs">;

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
  constructor(context: Context, { operation, target, profile, sent }: OperationTask) {
    const { clock, onlooker } = context;
    const startMs = clock.nowMs();
    this.startMs = startMs;
    this.#context = context;
    this.#file = profile;
    const parts = { clock, startMs, ...(sent && { sent }) };
    this.#recording = profile === undefined ? undefined : new ProfileRecording(parts);
    const startedAt = this.startedAt.toISOString();
    const guest = sent?.guest.config.name;
    onlooker.begins({ operation, target, startedAt, startMs, guest, clock: this.#machineTime });
  }

  /** What the transfer is to tell of its iterations, where that is wanted. */
  get watch() {
    return this.#recording?.watch;
  }

  /** The guest has come to be known. */
  names(guest: string): void {
    this.#context.onlooker.names(guest);
  }

  /** Is to be told of all progress. */
  readonly listener: ProgressListener = (event) => {
    this.#recording?.listener(event);
    this.#context.onlooker.sees(event);
  };

  /**
   * Ends it.
   *
   * @param frame absent where so little is known of the guest that there is no profile.
   * @returns the profile, which is also written where that is wanted.
   * @throws MigrationError TRANSPORT_OPEN
   */
  async end(frame: ProfileFrame, content: OperationContent): Promise<Profile>;
  async end(
    frame: ProfileFrame | undefined,
    content: OperationContent,
  ): Promise<Profile | undefined>;
  async end(
    frame: ProfileFrame | undefined,
    content: OperationContent,
  ): Promise<Profile | undefined> {
    const totalMs = this.#context.clock.nowMs() - this.startMs;
    const recorded = await this.#recording?.finish();
    const clock = this.#machineTime;
    const resources = this.#resources.used();
    const { outcome, errorCode, totalBytes, totalPagesSent, stopReason, downtime } = content;
    this.#context.onlooker.ends({
      ...{ outcome, errorCode, totalMs, totalBytes, totalPagesSent, stopReason, downtime },
      ...{ resources, guest: frame?.guest.name },
    });
    if (frame === undefined) {
      return undefined;
    }
    const measured = { totalMs, resources, ...(clock && { clock }) };
    const profile = makeProfile(frame, { ...content, ...measured, ...recorded });
    if (this.#file !== undefined) {
      await writeProfile(this.#file, profile);
    }
    return profile;
  }
}
