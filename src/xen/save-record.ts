import type { Clock } from "../base/clock.ts";
import { MigrationError } from "../base/errors.ts";
import type { SaveJob } from "../helper/backend.ts";
import { policyOf, profilePathOf } from "../helper/settings.ts";
import { machineTime, ResourceMeter } from "../migration/own-process.ts";
import type { ProfileContent, ProfileFrame } from "../migration/profile-frame.ts";
import type { ProgressListener } from "../migration/progress.ts";
import type { Downtime, IterationStatistics } from "../report/profile.ts";
import type { DomainInfo } from "./addon.ts";
import type { LateEngine } from "./late-engine.ts";
import { describeDomain, reportProfile } from "./profile.ts";

/** Steps of a save from which on, or until which, something is measured, in their order. */
export type SaveStep = "suspend" | "suspended" | "harvested" | "copied" | "sent";

/** What there is to say of a save when it ends, one way or the other. */
export interface SaveEnding {
  readonly info: DomainInfo;
  readonly engine: LateEngine;
  readonly totalBytes: number;
  readonly error?: unknown;
}

/** Measures one save, reports it, and writes its profile where the settings say. */
export class SaveRecord {
  stopReason = "non-live";
  readonly #job: SaveJob;
  readonly #clock: Clock;
  readonly #startedAt = new Date();
  /** On its clock. */
  readonly startMs: number;
  readonly #machineTime = machineTime();
  readonly #resources = new ResourceMeter();
  readonly #iterations: IterationStatistics[] = [];
  readonly #reachedMs = new Map<SaveStep, number>();

  constructor(job: SaveJob, clock: Clock) {
    this.#job = job;
    this.#clock = clock;
    this.startMs = clock.nowMs();
  }

  /** Keeps what iterations did, reports everything, and passes it on. */
  listener(next: ProgressListener): ProgressListener {
    return (event) => {
      if (event.kind === "iteration") {
        this.#iterations.push(event.statistics);
      }
      this.#job.reporter.progress(event);
      next(event);
    };
  }

  /** Of the checkpoints that may follow a save nothing is kept. */
  reached(step: SaveStep): void {
    if (!this.#reachedMs.has("sent")) {
      this.#reachedMs.set(step, this.#clock.nowMs());
      this.#job.reporter.step(step);
    }
  }

  /**
   * Reports the profile, and writes it if that is wanted. What checks it is loaded only then: it
   * takes longer than small guests do.
   *
   * @throws MigrationError TRANSPORT_OPEN
   */
  async tell(ending: SaveEnding): Promise<void> {
    const { domid, settings, reporter } = this.#job;
    const file = profilePathOf(settings, domid);
    if (!reporter.isHeard && file === undefined) {
      return;
    }
    const frame = this.#frame(ending);
    const content = this.#content(ending);
    reportProfile(this.#job, frame, content);
    if (file !== undefined) {
      const { makeProfile, writeProfile } = await import("../migration/profile-file.ts");
      await writeProfile(file, makeProfile(frame, content));
    }
  }

  #content(ending: SaveEnding): ProfileContent {
    const { name, parameters } = policyOf(this.#job.settings);
    return {
      outcome: ending.error === undefined ? "completed" : "failed",
      ...(ending.error instanceof MigrationError && { errorCode: ending.error.code }),
      mode: this.#job.isLive ? "live" : "non-live",
      pump: "native",
      policy: { name, parameters: { ...parameters } },
      stopReason: this.stopReason,
      iterations: this.#iterations,
      ...this.#downtime(),
      totalMs: this.#clock.nowMs() - this.startMs,
      totalBytes: ending.totalBytes,
      totalPagesSent: this.#iterations.reduce((sum, { pagesSent }) => sum + pagesSent, 0),
      ...(this.#machineTime && { clock: this.#machineTime }),
      resources: this.#resources.used(),
    };
  }

  #frame({ info, engine }: SaveEnding): ProfileFrame {
    const { domid, streamFd, isLive } = this.#job;
    return {
      operation: isLive ? "migrate" : "save",
      engine: engine.load(),
      guest: describeDomain(domid, info),
      logDirty: "xen",
      target: `descriptor ${streamFd}`,
      startedAt: this.#startedAt,
    };
  }

  /** As far as the helper sees it: what comes behind the stream is libxl's. */
  #downtime(): { readonly downtime?: Downtime } {
    const at = (step: SaveStep) => this.#reachedMs.get(step) ?? Number.NaN;
    if (!this.#reachedMs.has("sent")) {
      return {};
    }
    const downtime = {
      suspendMs: at("suspended") - at("suspend"),
      harvestMs: at("harvested") - at("suspended"),
      finalCopyMs: at("copied") - at("harvested"),
      stateMs: at("sent") - at("copied"),
      handoverMs: 0,
      resumeMs: 0,
      totalMs: at("sent") - at("suspend"),
    };
    return { downtime };
  }
}
