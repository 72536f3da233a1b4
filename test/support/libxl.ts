import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { ReadableSource } from "../../src/transport/readable-source.ts";

/** A message as libxl reads it. Unlike the source's, this table is written as numbers. */
export interface LibxlMessage {
  readonly number: number;
  readonly name: string;
  readonly values: readonly (string | number)[];
  readonly hex: string;
}

/** The kinds of arguments by message: u and i of 4 octets, U of 8, s a string. */
const READERS: Readonly<Record<number, readonly [name: string, kinds: string]>> = {
  1: ["log", "uuss"],
  2: ["progress", "ssUU"],
  3: ["suspend", ""],
  4: ["postcopy", ""],
  5: ["checkpoint", ""],
  6: ["wait_checkpoint", ""],
  7: ["switch_qemu_logdirty", "uu"],
  8: ["static_data_done", "u"],
  9: ["restore_results", "UU"],
  10: ["complete", "ii"],
};

const SCRIPTED_HELPER = fileURLToPath(new URL("save-helper.mjs", import.meta.url));
const REAL_HELPER = fileURLToPath(new URL("../../dist/helper/main.cjs", import.meta.url));

/** How to start a helper. */
export interface HelperStart {
  readonly args: readonly string[];
  /** What its backend does; without it the real program is started. */
  readonly script?: HelperScript | undefined;
  readonly environment?: Readonly<Record<string, string>>;
  /** What its descriptor 3 is, its stream. */
  readonly stream?: number | "pipe";
  /** Whether a shell puts real pipes (not the socket pairs of Node) between libxl and it. */
  readonly pipes?: "real";
}

export interface HelperScript {
  readonly steps?: readonly (readonly unknown[])[];
  readonly cleanup?: readonly (readonly unknown[])[];
  readonly results?: readonly [storeGfn: number, consoleGfn: number];
}

/** libxl's side of a save or restore: starts the helper, reads its messages, answers. */
export class FakeLibxl {
  readonly child: ChildProcess;
  /** What the helper wrote to xl's standard error. */
  readonly stderr: Promise<string>;
  /** Exit status, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  readonly #source: ReadableSource;

  constructor({ args, script, environment, stream = "pipe", pipes }: HelperStart) {
    const program = [process.execPath, SCRIPTED_HELPER];
    const command = script === undefined ? [REAL_HELPER, ...args] : [...program, ...args];
    const line =
      pipes === "real"
        ? ["bash", "--norc", "-c", 'set -o pipefail; cat | "$@" | cat', "bash", ...command]
        : command;
    this.child = spawn(line[0]!, line.slice(1), {
      stdio: ["pipe", "pipe", "pipe", stream],
      env: { PATH: process.env.PATH, ...scriptEnvironment(script), ...environment },
    });
    this.#source = new ReadableSource(this.child.stdout as Readable);
    this.stderr = text(this.child.stderr as Readable);
    this.child.stdin?.on("error", () => undefined);
    this.ended = once(this.child, "exit").then(([status, signal]) => status ?? signal);
  }

  /** The next message; `undefined` when the helper has closed its side. */
  async next(): Promise<LibxlMessage | undefined> {
    const head = await this.#source.exactly(2).catch(() => undefined);
    if (head === undefined) {
      return undefined;
    }
    const bodyBytes = Buffer.from(head).readUInt16LE();
    const body = Buffer.from(await this.#source.exactly(bodyBytes));
    return decode(body);
  }

  /** Skips messages until one of that name. */
  async until(name: string): Promise<LibxlMessage> {
    for (;;) {
      const message = await this.next();
      if (message === undefined) {
        throw new Error(`the helper ended before '${name}': ${await this.stderr}`);
      }
      if (message.name === name) {
        return message;
      }
    }
  }

  answer(value: number): void {
    const octets = Buffer.alloc(4);
    octets.writeInt32LE(value);
    this.write(octets);
  }

  /** Writes octets, whatever they are, where answers go. */
  write(octets: Uint8Array): void {
    (this.child.stdin as Writable).write(octets);
  }

  /** Has nothing more to answer: the end of the pipe follows what was answered. */
  hangUp(): void {
    this.child.stdin?.end();
  }

  /** Goes away, as a killed xl does. */
  leave(): void {
    this.child.stdin?.destroy();
    this.child.stdout?.destroy();
  }

  /** Reads to the end: answers `complete`, and everything else with what `answers` says. */
  async finish(answers: Readonly<Record<string, number>> = {}): Promise<readonly LibxlMessage[]> {
    const seen: LibxlMessage[] = [];
    for (;;) {
      const message = await this.next();
      if (message === undefined) {
        return seen;
      }
      seen.push(message);
      const value = message.name === "complete" ? 0 : answers[message.name];
      if (value !== undefined) {
        this.answer(value);
      }
    }
  }
}

function scriptEnvironment(script: HelperScript = {}): Record<string, string> {
  return {
    TEST_STEPS: JSON.stringify(script.steps ?? []),
    TEST_CLEANUP: JSON.stringify(script.cleanup ?? []),
    TEST_RESULTS: JSON.stringify(script.results ?? [0, 0]),
  };
}

function decode(body: Buffer): LibxlMessage {
  const number = body.readUInt16LE();
  const [name, kinds] = READERS[number]!;
  let at = 2;
  const values = [...kinds].map((kind) => {
    const start = at;
    if (kind === "s") {
      const lengthBytes = body.readUInt32LE(start);
      at = start + 4 + lengthBytes;
      return body.toString("utf8", start + 4, at - 1);
    }
    at = start + (kind === "U" ? 8 : 4);
    if (kind === "U") {
      return Number(body.readBigUInt64LE(start));
    }
    return kind === "u" ? body.readUInt32LE(start) : body.readInt32LE(start);
  });
  if (at !== body.length) {
    throw new Error(`message ${number} has ${body.length - at} octets too many`);
  }
  return { number, name, values, hex: body.toString("hex") };
}
