import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { machineClock } from "../base/clock.ts";
import { MigrationError } from "../base/errors.ts";
import { throwIfInterrupted } from "../migration/interruption.ts";
import type { ReportedProgress, ReportLine } from "../report/report-lines.ts";
import { EndRecord } from "./end-record.ts";
import { Interrupter } from "./interrupter.ts";
import { ReportReader } from "./report-reader.ts";
import { momentOf, type XlMoment } from "./sentences.ts";
import type { Environment, Xl } from "./xl.ts";

/** Something that `xl` is to do, with a save helper that reports. */
export interface XlTask {
  readonly xl: Xl;
  /** What comes behind `xl`. */
  readonly args: readonly string[];
  /** Variables for `xl` and its helper, besides those that are there. */
  readonly variables: Environment;
  /** Aborted when the user interrupts; the guest is put back, unless it is too late. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ReportedProgress) => void;
  /** Takes a sentence for the user. */
  readonly note: (line: string) => void;
}

/** What `xl` did, as far as can be seen. Times are of this machine's monotonic clock. */
export interface XlOutcome {
  /** Exit status; undefined where a signal ended it. */
  readonly status: number | undefined;
  /** This end: the only one, or the source of a migration. */
  readonly near: EndRecord;
  /** The target of a migration; its times are of its own machine's clock. */
  readonly far: EndRecord;
  /** When `xl` told of moments of a migration. */
  readonly moments: ReadonlyMap<XlMoment, number>;
  /**
   * How much later the clock here was than the other end's report when that came: the smallest, for
   * reports are on their way for a while.
   */
  readonly farLeadMs: number | undefined;
  readonly startedAt: Date;
  readonly startMs: number;
  readonly endMs: number;
}

/** The descriptor for what the other end of a migration writes to its standard error. */
export const FAR_FD = 3;

/** How long output may be held open once `xl` has ended (ms): by what it left running. */
const OUTPUT_GRACE_MS = 2000;

/** Whoever reads what `xl` says may be gone, which is no reason for it to die. */
const WITHOUT_SIGPIPE = `trap '' PIPE; exec "$0" "$@"`;

/**
 * Has `xl` do something, in a session of its own, where no terminal's signal reaches it.
 * What becomes of it is in the outcome.
 *
 * @throws MigrationError MIGRATION_INTERRUPTED before it starts; XL_FAILED it cannot be started
 */
export async function runXl(task: XlTask): Promise<XlOutcome> {
  throwIfInterrupted(task.signal);
  const running = new Running(task);
  const startedAt = new Date();
  const startMs = machineClock.nowMs();
  const child = startXl(task);
  const outputs = [
    running.listen(child.stdout, "near"),
    running.listen(child.stderr, "near"),
    running.listen(child.stdio[FAR_FD] as Readable, "far"),
  ];
  const [status, signal] = await endOf(child, task);
  const endMs = machineClock.nowMs();
  await Promise.race([Promise.all(outputs), sleep(OUTPUT_GRACE_MS, undefined, { ref: false })]);
  for (const stream of child.stdio) {
    stream?.destroy();
  }
  running.over();
  if (signal !== null) {
    running.near.takeText(`xl was ended by ${signal}`);
  }
  return { ...running.seen(), status: status ?? undefined, startedAt, startMs, endMs };
}

function startXl({ xl, args, variables }: XlTask): ChildProcess {
  return spawn("/bin/sh", ["-c", WITHOUT_SIGPIPE, xl.program, ...args], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    env: { ...xl.environment, ...variables },
    detached: true,
  });
}

type Ended = readonly [status: number | null, signal: NodeJS.Signals | null];

async function endOf(child: ChildProcess, { args }: XlTask): Promise<Ended> {
  try {
    return (await once(child, "exit")) as unknown as Ended;
  } catch (error) {
    throw new MigrationError("XL_FAILED", { command: `xl ${args[0]}` }, error);
  }
}

/** What is learnt while `xl` runs. */
class Running {
  readonly near = new EndRecord();
  readonly #far = new EndRecord();
  readonly #moments = new Map<XlMoment, number>();
  readonly #task: XlTask;
  readonly #interrupter: Interrupter;
  #farLeadMs: number | undefined;

  constructor(task: XlTask) {
    this.#task = task;
    this.#interrupter = new Interrupter(task.signal, this.near, task.note);
  }

  /** Reads to the end. */
  async listen(stream: Readable | null, end: "near" | "far"): Promise<void> {
    const reader = new ReportReader({
      report: (line) => (end === "near" ? this.#takeNear(line) : this.#takeFar(line)),
      text: (line) => this.#takeText(line, end),
    });
    stream?.on("data", (octets: Uint8Array) => reader.take(octets));
    await finished(stream!, { writable: false }).catch(() => undefined);
    reader.end();
  }

  over(): void {
    this.#interrupter.over();
  }

  seen() {
    const { near } = this;
    return { near, far: this.#far, moments: this.#moments, farLeadMs: this.#farLeadMs };
  }

  #takeNear(line: ReportLine): void {
    this.near.take(line);
    if (line.event === "started") {
      this.#interrupter.helperStarted();
    } else if (line.event === "progress") {
      this.#task.onProgress(line.progress);
    }
  }

  #takeFar(line: ReportLine): void {
    if (line.event === "transport") {
      this.#interrupter.transportStarted(line.pid);
      return;
    }
    const leadMs = machineClock.nowMs() - line.atMs;
    this.#farLeadMs = Math.min(this.#farLeadMs ?? leadMs, leadMs);
    this.#far.take(line);
  }

  #takeText(line: string, end: "near" | "far"): void {
    (end === "near" ? this.near : this.#far).takeText(line);
    const moment = momentOf(line);
    // Of its own end each is believed alone.
    if (moment !== undefined && (moment === "ready") === (end === "far")) {
      this.#moments.set(moment, machineClock.nowMs());
      if (moment === "ready") {
        this.#interrupter.targetReady();
      }
    }
  }
}
