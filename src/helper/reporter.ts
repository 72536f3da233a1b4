import { writeSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import { causesOf, tellError } from "../base/error-chain.ts";
import { MigrationError } from "../base/errors.ts";
import type { ProgressEvent } from "../migration/progress.ts";
import type { Profile } from "../report/profile.ts";
import { encodeReport, type ReportEvent, type ReportedError } from "../report/report-lines.ts";

/** Time between two reports of pages (ms). */
const PAGES_INTERVAL_MS = 100;

/** Characters of a message that are told. */
const MESSAGE_CHARS_MAX = 500;

/** Tells the program that started `xl` what the helper does; never fails, and never waits. */
export class HelperReporter {
  readonly #clock: Clock;
  readonly #write: ((text: string) => void) | undefined;
  #pagesMs = Number.NEGATIVE_INFINITY;

  /**
   * @param clock of the machine, for all its processes.
   * @param write takes a whole line; absent where nobody listens.
   */
  constructor(clock: Clock, write?: (text: string) => void) {
    this.#clock = clock;
    this.#write = write;
  }

  /** Whether somebody listens. */
  get isHeard(): boolean {
    return this.#write !== undefined;
  }

  started(started: {
    readonly operation: "save" | "restore";
    readonly pid: number;
    readonly domid: number;
  }): void {
    this.#tell({ event: "started", ...started });
  }

  /** Of pages ten a second are told. */
  progress(progress: ProgressEvent): void {
    const nowMs = this.#clock.nowMs();
    if (progress.kind === "pages") {
      if (nowMs - this.#pagesMs < PAGES_INTERVAL_MS) {
        return;
      }
      this.#pagesMs = nowMs;
    }
    this.#tell({ event: "progress", progress });
  }

  step(step: string): void {
    this.#tell({ event: "step", step });
  }

  profile({ iterations: _, ...profile }: Profile): void {
    this.#tell({ event: "profile", profile });
  }

  /** @param failure absent after success. */
  ended(failure?: { readonly error: unknown }): void {
    const error = failure && causesOf(failure.error).map(reported);
    this.#tell({ event: "ended", error });
  }

  #tell(event: ReportEvent): void {
    const text = encodeReport({ ...event, atMs: this.#clock.nowMs() });
    if (text !== undefined) {
      this.#write?.(text);
    }
  }
}

/**
 * The reporter that XENFERRY_REPORT asks for: `stderr`, which is xl's, or none.
 *
 * @param clock of the machine.
 */
export function reporterFor(asked: string | undefined, fd: number, clock: Clock): HelperReporter {
  return new HelperReporter(clock, asked === "stderr" ? writerTo(fd) : undefined);
}

/** Who no longer reads is no reason to stop. */
function writerTo(fd: number): (text: string) => void {
  return (text) => {
    try {
      writeSync(fd, text);
    } catch {
      // The guest's fate is libxl's matter alone.
    }
  };
}

function reported(error: unknown): ReportedError {
  const message = tellError(error).slice(0, MESSAGE_CHARS_MAX);
  return error instanceof MigrationError
    ? { code: error.code, message, where: error.where }
    : { message };
}
