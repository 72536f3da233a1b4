/** Commands in dom0, timed and logged, `xl` with either helper among them. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import path from "node:path";
import type { Helper, Programs } from "../matrix.ts";

/** What a command came to. */
export interface Ended {
  readonly status: number | null;
  readonly wallMs: number;
  /** User and system time of the command and all it waited for. */
  readonly cpuMs: number;
  readonly lines: readonly Line[];
}

export interface Line {
  /** Since the command's start. */
  readonly atMs: number;
  readonly text: string;
}

export interface RunOptions {
  /** Absent for a command that has no use for one. */
  readonly helper?: Helper;
  /** A program that stands in front of the helper. */
  readonly watcher?: string;
  /** What our helper is told besides the row's settings. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface OurPrograms extends Programs {
  /** What they are told. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Something failed that has nothing to do with Xen or either helper. */
export class EmulatorError extends Error {}

/** `xl` works with Xen's helper unless this names another. */
const HELPER_VARIABLE = "LIBXL_SAVE_HELPER";
/** Likewise of its converter of legacy streams. */
const CONVERTER_VARIABLE = "LIBXL_CONVERT_HELPER";
const TIMED = `TIMEFORMAT="%R %U %S"; time "$@" >&3 2>&1 3>&-`;
const SHOWN_LINES = 4;

export class Commands {
  readonly #logs: string;
  readonly #ours: OurPrograms;
  readonly #running = new Set<ChildProcess>();
  #isOver = false;

  /** @param logs the folder where each command's output goes. */
  constructor(logs: string, ours: OurPrograms) {
    this.#logs = logs;
    this.#ours = ours;
  }

  /** The variable that names a helper, as words before a command. */
  helperWords(helper: Helper): readonly string[] {
    return helper === "ours"
      ? ["env", `${HELPER_VARIABLE}=${this.#ours.helper}`]
      : ["env", "-u", HELPER_VARIABLE];
  }

  /** The variable that names a converter of legacy streams: ours, or for Xen's own none. */
  converterVariables(converter: Helper): Readonly<Record<string, string>> {
    return converter === "ours" ? { [CONVERTER_VARIABLE]: this.#ours.converter } : {};
  }

  /** The program itself and its environment, for those who start it without xl. */
  helperProgram(helper: Helper): { readonly program: string; readonly env: NodeJS.ProcessEnv } {
    const stock = `${process.env.XENBIN}/libxl-save-helper`;
    return {
      program: helper === "ours" ? this.#ours.helper : stock,
      env: { ...process.env, ...this.#ours.environment },
    };
  }

  /** A file for what a program says that is not run by this class. */
  logFile(name: string): string {
    return path.join(this.#logs, name);
  }

  /** @throws Error with the last lines of the output, unless the status is 0. */
  async must(words: readonly string[], options: RunOptions = {}): Promise<Ended> {
    const ended = await this.run(words, options);
    if (ended.status !== 0) {
      throw new Error(`${words.slice(0, 2).join(" ")}: ${told(ended)}`);
    }
    return ended;
  }

  async run(words: readonly string[], options: RunOptions = {}): Promise<Ended> {
    if (this.#isOver) {
      throw new Error(`too late for ${words[0]}`);
    }
    const startMs = performance.now();
    const program = path.basename(words[0]!);
    const log = path.join(this.#logs, `${program}-${words[1]?.replaceAll(/\W/g, "")}.txt`);
    const child = spawn("bash", ["-c", TIMED, "bash", ...words], {
      stdio: ["ignore", "ignore", "pipe", "pipe"],
      detached: true,
      env: this.#environment(options),
    });
    this.#running.add(child);
    const note = options.helper === undefined ? "" : ` (helper: ${options.helper})`;
    appendFileSync(log, `$ ${words.join(" ")}${note}\n`);
    const lines: Line[] = [];
    const take = (text: string) => {
      const atMs = Math.round(performance.now() - startMs);
      lines.push({ atMs, text });
      appendFileSync(log, `${(atMs / 1000).toFixed(3).padStart(9)} ${text}\n`);
    };
    const output = eachLine(child.stdio[3] as NodeJS.ReadableStream, take);
    let times = "";
    child.stderr!.on("data", (chunk) => {
      times += chunk;
    });
    const [status, signal] = (await once(child, "exit")) as [number | null, string | null];
    // What a command leaves running in the background may hold its output open.
    await Promise.race([output, new Promise((resolve) => setTimeout(resolve, 1000))]);
    this.#running.delete(child);
    const [wallS, userS, systemS] = times.trim().split(/\s+/).slice(-3).map(Number);
    appendFileSync(log, `          status ${status ?? signal}, ${times}\n`);
    if (status === null && signal !== "SIGKILL") {
      throw new EmulatorError(`bash, which runs ${words[0]}, ended with ${signal}`);
    }
    return {
      status,
      wallMs: Math.round(wallS! * 1000),
      cpuMs: Math.round((userS! + systemS!) * 1000),
      lines,
    };
  }

  /** Ends what still runs, with all it started, and starts nothing more. */
  end(): void {
    this.#isOver = true;
    for (const { pid } of this.#running) {
      try {
        process.kill(-pid!, "SIGKILL");
      } catch {
        // It has just ended.
      }
    }
  }

  #environment({ helper, watcher, environment }: RunOptions): NodeJS.ProcessEnv {
    const all: NodeJS.ProcessEnv = {
      ...process.env,
      ...this.#ours.environment,
      ...environment,
    };
    delete all[HELPER_VARIABLE];
    const program = watcher ?? (helper === "ours" ? this.#ours.helper : undefined);
    return program === undefined ? all : { ...all, [HELPER_VARIABLE]: program };
  }
}

/** The last words of a command, on one line. */
export function told({ status, lines }: Ended): string {
  const words = lines.map(({ text }) => text).filter((text) => !/progress|Frames/.test(text));
  return `status ${status}: ${words.slice(-SHOWN_LINES).join(" | ")}`;
}

async function eachLine(stream: NodeJS.ReadableStream, take: (line: string) => void) {
  let rest = "";
  for await (const chunk of stream) {
    const lines = `${rest}${chunk}`.split(/[\r\n]+/);
    rest = lines.pop()!;
    lines.forEach(take);
  }
  if (rest !== "") {
    take(rest);
  }
}
