import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import path from "node:path";
import { MigrationError } from "../base/errors.ts";
import { type ListedDomain, parseDomains } from "./domains.ts";

/** Variables of a process, by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** How long `xl` may take to answer a question (ms). */
const ANSWER_MS_MAX = 60_000;

/** Most octets of an answer: `xl list -l` of thousands of domains. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** This machine's `xl`, and what it is asked without changing anything. */
export class Xl {
  /** The program's path. */
  readonly program: string;
  /** What it, and all it starts, is run with. */
  readonly environment: Environment;

  private constructor(program: string, environment: Environment) {
    this.program = program;
    this.environment = environment;
  }

  /** The `xl` that PATH leads to; undefined where there is none, which says nothing of Xen. */
  static find(environment: Environment): Xl | undefined {
    const folders = (environment.PATH ?? "").split(path.delimiter).filter((name) => name !== "");
    const program = folders.map((folder) => path.join(folder, "xl")).find(isProgram);
    return program === undefined ? undefined : new Xl(program, environment);
  }

  /**
   * Domains of this machine, without dom0.
   *
   * @throws MigrationError GUEST_UNAVAILABLE this is no Xen host, or not for this user; XL_OUTPUT
   */
  async domains(): Promise<readonly ListedDomain[]> {
    const [short, long] = await Promise.all([this.#ask("list"), this.#ask("list", "-l")]);
    return parseDomains(short, long);
  }

  /**
   * Version of the hypervisor, such as "4.17.5"; undefined where `xl` does not say.
   *
   * @throws MigrationError as {@link domains}
   */
  async version(): Promise<string | undefined> {
    return /^xen_version\s*:\s*(\S+)/m.exec(await this.#ask("info"))?.[1];
  }

  #ask(...args: readonly string[]): Promise<string> {
    const limits = { timeout: ANSWER_MS_MAX, maxBuffer: ANSWER_BYTES_MAX };
    return new Promise((resolve, reject) => {
      const options = { ...limits, env: { ...this.environment } };
      execFile(this.program, args, options, (error, stdout, stderr) => {
        if (error === null) {
          resolve(stdout);
        } else {
          const reason = firstLine(stderr) ?? error.message;
          const facts = { kind: "xen", command: ["xl", ...args].join(" "), reason };
          reject(new MigrationError("GUEST_UNAVAILABLE", facts, error));
        }
      });
    });
  }
}

/** @throws MigrationError GUEST_UNAVAILABLE: there is none */
export function needXl(xl: Xl | undefined): Xl {
  if (xl === undefined) {
    const reason = "there is no program 'xl' in PATH, so this is no Xen host";
    throw new MigrationError("GUEST_UNAVAILABLE", { kind: "xen", reason });
  }
  return xl;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function firstLine(text: string): string | undefined {
  return text
    .split("\n")
    .map((line) => line.trim())
    .find((line) => line !== "");
}
