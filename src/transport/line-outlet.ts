import { constants, write } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { MigrationError } from "../base/errors.ts";

/** Names standard output. */
export const STANDARD_OUTPUT = "-";

const STANDARD_OUTPUT_PATH = "/proc/self/fd/1";

/** How long to wait for room in a pipe (ms). */
const RETRY_MS = 10;

/** Characters that wait to be written, beyond which lines that can be done without are left out. */
const WAITING_CHARS_SOFT = 256 * 1024;

/** The same, beyond which any line is. */
const WAITING_CHARS_MAX = 8 * 1024 * 1024;

/** Whether a line may be left out where nobody reads. */
export type LineWeight = "light" | "heavy";

/**
 * Writes lines to a file, a pipe or standard output without ever waiting for whoever reads: what is
 * not read in time is left out, and a reader that has gone is no failure.
 */
export class LineOutlet {
  readonly #outlet: Outlet;
  readonly #waiting: string[] = [];
  #waitingChars = 0;
  #leftOut = 0;
  #isGone = false;
  #writing: Promise<void> | undefined;
  #progress = 0;

  private constructor(outlet: Outlet) {
    this.#outlet = outlet;
  }

  /**
   * @param target a file, which is made or emptied; a named pipe that somebody reads; or
   *   {@link STANDARD_OUTPUT}.
   * @throws MigrationError TRANSPORT_OPEN
   */
  static async open(target: string): Promise<LineOutlet> {
    try {
      return new LineOutlet(await openOutlet(target));
    } catch (error) {
      throw new MigrationError("TRANSPORT_OPEN", { file: target }, error);
    }
  }

  /** Lines that were left out so far. */
  get leftOut(): number {
    return this.#leftOut;
  }

  /** Takes a line, without its line feed, to be written as soon as it can be. */
  write(line: string, weight: LineWeight): void {
    const charsMax = weight === "light" ? WAITING_CHARS_SOFT : WAITING_CHARS_MAX;
    if (this.#isGone || this.#waitingChars + line.length >= charsMax) {
      this.#leftOut++;
      return;
    }
    this.#waiting.push(`${line}\n`);
    this.#waitingChars += line.length + 1;
    this.#writing ??= this.#writeAll();
  }

  /** Waits until all is written, or nobody has read anything for `patienceMs`; then closes. */
  async close(patienceMs: number): Promise<void> {
    let seen = -1;
    while (this.#writing !== undefined && seen !== this.#progress) {
      seen = this.#progress;
      const waiting = new AbortController();
      const patience = sleep(patienceMs, undefined, { signal: waiting.signal });
      await Promise.race([this.#writing, patience.catch(() => undefined)]);
      waiting.abort();
    }
    this.#isGone = true;
    await this.#writing;
    await this.#outlet.close();
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && !this.#isGone) {
        const lines = this.#waiting.splice(0).join("");
        await this.#writeOut(Buffer.from(lines));
        this.#waitingChars -= lines.length;
      }
    } catch {
      this.#isGone = true;
    }
    this.#writing = undefined;
  }

  async #writeOut(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#isGone; ) {
      const written = await this.#writeSome(bytes.subarray(at));
      at += written;
      this.#progress += written;
      if (written === 0) {
        await sleep(RETRY_MS);
      }
    }
  }

  /** Octets written; 0 where there is no room. */
  async #writeSome(bytes: Buffer): Promise<number> {
    try {
      return await this.#outlet.write(bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") {
        return 0;
      }
      throw error;
    }
  }
}

/** What lines are written to. */
interface Outlet {
  /** Octets written; an error EAGAIN where there is no room. */
  write(bytes: Uint8Array): Promise<number>;
  close(): Promise<void>;
}

/** Pipes are opened once more, so that it is ours alone that nobody waits in them. */
async function openOutlet(target: string): Promise<Outlet> {
  const isStandard = target === STANDARD_OUTPUT;
  const place = isStandard ? STANDARD_OUTPUT_PATH : target;
  const stats = await stat(place).catch(() => undefined);
  if (stats?.isFIFO() === true) {
    return outletOf(await open(place, constants.O_WRONLY | constants.O_NONBLOCK));
  }
  return isStandard ? standardOutput : outletOf(await open(place, "w", 0o644));
}

function outletOf(handle: FileHandle): Outlet {
  return {
    write: async (bytes) => (await handle.write(bytes)).bytesWritten,
    close: () => handle.close(),
  };
}

/** A socket or terminal that nobody reads holds up the end of the program, but nothing else. */
const standardOutput: Outlet = {
  write: async (bytes) => (await promisify(write)(1, bytes)).bytesWritten,
  close: async () => undefined,
};
