import type { EndRecord } from "./end-record.ts";

/**
 * Ends a save, restore or migration so that the guest is put back. `xl` gets no signal: it knows
 * none, and would leave a suspended guest behind. Its helper does, and `xl` puts the guest back
 * when the helper fails. Before there is a helper, the way to the other end is cut.
 *
 * @source tools/xl/xl_migrate.c, failed_resume; libxl_save_callout.c
 */
export class Interrupter {
  readonly #signal: AbortSignal;
  readonly #end: EndRecord;
  readonly #note: (line: string) => void;
  readonly #listener = () => this.#interrupt();
  #transportPid: number | undefined;
  #isTargetReady = false;

  /** @param end whose helper has the guest. */
  constructor(signal: AbortSignal, end: EndRecord, note: (line: string) => void) {
    this.#signal = signal;
    this.#end = end;
    this.#note = note;
    signal.addEventListener("abort", this.#listener);
  }

  /** The helper has begun. */
  helperStarted(): void {
    if (this.#signal.aborted) {
      this.#interrupt();
    }
  }

  /** There is a process that leads to the other end. */
  transportStarted(pid: number): void {
    this.#transportPid = pid;
    if (this.#signal.aborted) {
      this.#interrupt();
    }
  }

  /** The other end answers, so that the helper will be there in a moment. */
  targetReady(): void {
    this.#isTargetReady = true;
  }

  /** `xl` has ended. */
  over(): void {
    this.#signal.removeEventListener("abort", this.#listener);
  }

  #interrupt(): void {
    const { pid, endedMs } = this.#end;
    if (endedMs !== undefined) {
      this.#note("too late to interrupt: the guest's memory has been moved; waiting for xl");
    } else if (pid !== undefined) {
      terminate(pid);
    } else if (this.#transportPid !== undefined && !this.#isTargetReady) {
      terminate(this.#transportPid);
    }
  }
}

function terminate(pid: number): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    // It has just ended.
  }
}
