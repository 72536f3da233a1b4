import type { Readable, Writable } from "node:stream";
import { ByteQueue } from "../base/byte-queue.ts";
import type { Clock } from "../base/clock.ts";
import { Deferred } from "../base/deferred.ts";
import { MigrationError } from "../base/errors.ts";
import {
  ANSWER_BYTES,
  type CallbackName,
  callbackMask,
  decodeAnswer,
  encodeMessage,
  type MessageArguments,
  type MessageName,
  type QuestionName,
} from "./messages.ts";
import { ProgressFilter, type ProgressReport } from "./progress-filter.ts";

/** Levels of libxl's log. @source xentoollog.h, `xentoollog_level` */
export const LOG_LEVEL = {
  debug: 1,
  verbose: 2,
  detail: 3,
  info: 5,
  notice: 6,
  warning: 7,
  error: 8,
} as const;

/** What a log line says besides its text. */
export interface LogLine {
  readonly level: keyof typeof LOG_LEVEL;
  /** Part of the program that speaks: `xc` for what libxc would say. */
  readonly context: string;
  readonly text: string;
  /** Error number of the system, which libxl puts into words. */
  readonly errno?: number;
}

/** What libxl wants after a checkpoint: end, go on, or (restore) take the guest over. */
export type CheckpointAnswer = "end" | "go-on" | "take-over";

/** Frames of the restored guest that libxl needs; 0 where there are none. */
export interface RestoreResults {
  readonly storeGfn: bigint;
  readonly consoleGfn: bigint;
}

/**
 * What the stream did not bring, so that libxl chooses it.
 *
 * @source xenguest.h, `static_data_done`
 */
export interface MissingStaticData {
  readonly cpuid: boolean;
  readonly msr: boolean;
}

/** The `errnoval` of a log line about no error. */
const NO_ERRNO = 0xffff_ffff;

/** Octets that wait for libxl, above which progress is not worth telling any more. */
const BACKLOG_BYTES_MAX = 64 * 1024;

const MISSING = { CPUID: 1, MSR: 2 } as const;

/**
 * The conversation with libxl: messages to it, and its answers in the order of the questions.
 *
 * A callback that libxl does not offer is never called. When libxl is gone, or says what was not
 * asked, every question under way and every later one fails, and {@link lost} is aborted.
 *
 * @source libxl_save_helper.c, libxl_save_callout.c
 */
export class LibxlChannel {
  readonly #input: Readable;
  readonly #output: Writable;
  readonly #callbackFlags: number;
  readonly #progress: ProgressFilter;
  readonly #lost = new AbortController();
  readonly #arrived = new ByteQueue();
  readonly #questions: Deferred<number>[] = [];
  #isComplete = false;

  /**
   * @param pipes libxl's ends of standard input and output; the channel's from now on.
   * @param callbackFlags CBFLAGS.
   */
  constructor(
    pipes: { readonly input: Readable; readonly output: Writable },
    { callbackFlags, clock }: { readonly callbackFlags: number; readonly clock: Clock },
  ) {
    this.#input = pipes.input;
    this.#output = pipes.output;
    this.#callbackFlags = callbackFlags;
    this.#progress = new ProgressFilter(clock);
    this.#input.on("data", (octets: Uint8Array) => this.#accept(octets));
    this.#input.on("end", () => this.#lose(gone()));
    for (const pipe of [this.#input, this.#output]) {
      pipe.on("error", (cause) => this.#lose(gone(cause)));
      pipe.on("close", () => this.#lose(gone()));
    }
  }

  /** Aborted, with the MigrationError, when libxl can no longer be talked to. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether libxl offers a callback; calling one that it does not is an error. */
  offers(name: CallbackName): boolean {
    return Math.floor(this.#callbackFlags / callbackMask(name)) % 2 === 1;
  }

  /** Puts a line into libxl's log; never fails. */
  log({ level, context, text, errno = NO_ERRNO }: LogLine): void {
    this.#tell("log", [LOG_LEVEL[level], errno, context, text]);
  }

  /**
   * Tells how far something is; never fails. Call it as often as you like: the first and last of
   * each `what` are sent, and ten a second of those between.
   */
  progress(report: ProgressReport): void {
    this.#tellProgress(this.#progress.accept(report));
  }

  /**
   * Has the guest suspended, its device model's state saved with it.
   *
   * @throws MigrationError HELPER_CALLBACK_REFUSED, HELPER_CALLBACK_ABSENT, HELPER_ANSWER,
   *   HELPER_LIBXL_GONE
   */
  async suspend(): Promise<void> {
    const answer = await this.#call("suspend", []);
    if (answer === 0) {
      throw refused("suspend", answer);
    }
    if (answer !== 1) {
      throw unknown("suspend", answer);
    }
  }

  /**
   * Switches the log-dirty mode of the guest's device model, if it has one.
   *
   * @throws MigrationError as {@link suspend}
   */
  async switchQemuLogdirty(domid: number, mode: "on" | "off"): Promise<void> {
    this.#expectZero(
      "switch_qemu_logdirty",
      await this.#call("switch_qemu_logdirty", [domid, mode === "on" ? 1 : 0]),
    );
  }

  /**
   * Says that the static data is here, and what of it libxl has to choose by itself.
   *
   * @throws MigrationError as {@link suspend}
   */
  async staticDataDone(missing: MissingStaticData): Promise<void> {
    const mask = (missing.cpuid ? MISSING.CPUID : 0) + (missing.msr ? MISSING.MSR : 0);
    this.#expectZero("static_data_done", await this.#call("static_data_done", [mask]));
  }

  /**
   * Gives libxl the frames of the xenstore and console rings.
   *
   * @throws MigrationError HELPER_CALLBACK_ABSENT
   */
  restoreResults({ storeGfn, consoleGfn }: RestoreResults): void {
    this.#expectOffer("restore_results");
    this.#tell("restore_results", [storeGfn, consoleGfn]);
  }

  /** Has the guest resumed after the pages of a checkpoint. @throws as {@link suspend} */
  async postcopy(): Promise<CheckpointAnswer> {
    return this.#checkpointAnswer("postcopy");
  }

  /** Has a checkpoint finished (device model, acknowledgement). @throws as {@link suspend} */
  async checkpoint(): Promise<CheckpointAnswer> {
    return this.#checkpointAnswer("checkpoint");
  }

  /** Waits until the next checkpoint is due. @throws as {@link suspend} */
  async waitCheckpoint(): Promise<CheckpointAnswer> {
    return this.#checkpointAnswer("wait_checkpoint");
  }

  /**
   * Says how it ended, waits until libxl has seen it, and closes the channel: libxl reads nothing
   * after it.
   *
   * @param ending 0 and 0 after success, else -1 and the system's error number.
   * @throws MigrationError HELPER_LIBXL_GONE, HELPER_ANSWER
   */
  async complete(ending: { readonly returnValue: 0 | -1; readonly errno: number }): Promise<void> {
    await this.#ask("complete", [ending.returnValue, ending.errno]);
    this.#isComplete = true;
    this.#input.destroy();
    this.#output.destroy();
  }

  async #checkpointAnswer(
    name: "postcopy" | "checkpoint" | "wait_checkpoint",
  ): Promise<CheckpointAnswer> {
    const answer = await this.#call(name, []);
    switch (answer) {
      case 0:
        return "end";
      case 1:
        return "go-on";
      case 2:
        return "take-over";
      default:
        throw unknown(name, answer);
    }
  }

  async #call<Name extends QuestionName & CallbackName>(
    name: Name,
    values: MessageArguments<Name>,
  ): Promise<number> {
    this.#expectOffer(name);
    return this.#ask(name, values);
  }

  async #ask<Name extends QuestionName>(
    name: Name,
    values: MessageArguments<Name>,
  ): Promise<number> {
    this.#throwIfLost();
    const question = new Deferred<number>();
    this.#tellProgress(this.#progress.flush());
    this.#questions.push(question);
    this.#tell(name, values);
    return question.promise;
  }

  #tellProgress(reports: readonly ProgressReport[]): void {
    for (const { context, what, done, total } of reports) {
      if (this.#output.writableLength <= BACKLOG_BYTES_MAX) {
        this.#tell("progress", [context, what, BigInt(done), BigInt(total)]);
      }
    }
  }

  #tell<Name extends MessageName>(name: Name, values: MessageArguments<Name>): void {
    if (!this.#lost.signal.aborted && !this.#isComplete) {
      this.#output.write(encodeMessage(name, values));
    }
  }

  #accept(octets: Uint8Array): void {
    this.#arrived.offer(octets);
    for (;;) {
      const [question] = this.#questions;
      if (question === undefined) {
        break;
      }
      const answer = this.#arrived.take(ANSWER_BYTES);
      if (answer === undefined) {
        return;
      }
      this.#questions.shift();
      question.resolve(decodeAnswer(answer));
    }
    if (this.#arrived.availableBytes > 0) {
      const unaskedBytes = this.#arrived.availableBytes;
      this.#lose(new MigrationError("HELPER_ANSWER", { unaskedBytes }));
    }
  }

  #lose(error: MigrationError): void {
    if (this.#lost.signal.aborted || this.#isComplete) {
      return;
    }
    this.#lost.abort(error);
    for (const question of this.#questions.splice(0)) {
      question.reject(error);
    }
    this.#input.destroy();
    this.#output.destroy();
  }

  #throwIfLost(): void {
    if (this.#lost.signal.aborted) {
      throw this.#lost.signal.reason;
    }
  }

  #expectOffer(callback: CallbackName): void {
    if (!this.offers(callback)) {
      throw new MigrationError("HELPER_CALLBACK_ABSENT", { callback });
    }
  }

  #expectZero(callback: CallbackName, answer: number): void {
    if (answer !== 0) {
      throw refused(callback, answer);
    }
  }
}

function gone(cause?: unknown): MigrationError {
  return new MigrationError("HELPER_LIBXL_GONE", {}, cause);
}

function unknown(callback: CallbackName, answer: number): MigrationError {
  return new MigrationError("HELPER_ANSWER", { callback, answer });
}

function refused(callback: CallbackName, answer: number): MigrationError {
  return new MigrationError("HELPER_CALLBACK_REFUSED", { callback, answer });
}
