import type { Clock } from "../base/clock.ts";
import { MigrationError } from "../base/errors.ts";
import type { PagesTaken } from "../codec/steps.ts";
import type { RestoreJob } from "../helper/backend.ts";
import { machineTime, ResourceMeter } from "../migration/own-process.ts";
import { intakeOf } from "../migration/pump-counts.ts";
import { makeCounters } from "../transport/pump-counters.ts";
import type { DomainInfo, XenDomain } from "./addon.ts";
import type { LateEngine } from "./late-engine.ts";
import { describeDomain, reportProfile } from "./profile.ts";

/** What there is to say of a restore when it ends, one way or the other. */
export interface RestoreEnding {
  readonly domain: XenDomain;
  readonly engine: LateEngine;
  readonly totalBytes: number;
  readonly error?: unknown;
}

/** Measures one restore, and reports it. */
export class RestoreRecord {
  readonly #job: RestoreJob;
  readonly #clock: Clock;
  readonly #startedAt = new Date();
  readonly #startMs: number;
  readonly #machineTime = machineTime();
  readonly #resources = new ResourceMeter();
  /** Get what is taken and how long that takes. */
  readonly counters = makeCounters();
  #pages = 0;
  #hasMemory = false;

  constructor(job: RestoreJob, clock: Clock) {
    this.#job = job;
    this.#clock = clock;
    this.#startMs = clock.nowMs();
  }

  /** The first pages are there. */
  memoryBegins(): void {
    if (!this.#hasMemory) {
      this.#hasMemory = true;
      this.#job.reporter.step("memory");
    }
  }

  took({ dataPages }: PagesTaken): void {
    this.#pages += dataPages;
  }

  /** The stream's END was read, and the guest is complete as far as libxc's part goes. */
  restored(): void {
    this.#job.reporter.step("restored");
  }

  /** Reports the profile: of a domain that has got memory, for there is little to say of others. */
  tell(ending: RestoreEnding): void {
    const { value: info } = ending.domain.info();
    if (this.#hasMemory && info !== undefined && this.#job.reporter.isHeard) {
      this.#report(ending, info);
    }
  }

  #report({ engine, totalBytes, error }: RestoreEnding, info: DomainInfo): void {
    const { domid, streamFd } = this.#job;
    const frame = {
      operation: "restore",
      engine: engine.load(),
      guest: describeDomain(domid, info),
      logDirty: "none",
      target: `descriptor ${streamFd}`,
      startedAt: this.#startedAt,
    } as const;
    reportProfile(this.#job, frame, {
      outcome: error === undefined ? "completed" : "failed",
      ...(error instanceof MigrationError && { errorCode: error.code }),
      pump: "native",
      iterations: [],
      totalMs: this.#clock.nowMs() - this.#startMs,
      totalBytes,
      totalPagesSent: this.#pages,
      ...(this.#machineTime && { clock: this.#machineTime }),
      resources: this.#resources.used(),
      intake: intakeOf(this.counters),
    });
  }
}
