import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { buildBaseline } from "./baseline.ts";
import { type Counted, type RunningProcess, startCounted } from "./process.ts";

/** The checkout; this file runs from `build/bench/js/migration`. */
export const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));

const MAIN_SCRIPT = path.join(ROOT, "dist", "cli", "main.js");

/** What the command line decides. */
export interface LabOptions {
  readonly memoryBytes: number;
  /** Measured rounds. */
  readonly repeats: number;
  /** Other programs to measure as well. */
  readonly peer: "qemu" | undefined;
}

/** Where cases run: folders, processes, guests. One a bench run; must be disposed of. */
export class Lab {
  readonly memoryBytes: number;
  readonly repeats: number;
  readonly peer: "qemu" | undefined;
  /** The program of `bench/native`. */
  readonly baseline: string;
  /** For sockets and other small things. */
  readonly folder: string;
  /** For large files, on a file system with a disk below it. */
  readonly files: string;
  readonly #running = new Set<RunningProcess>();
  #migrateHelp: string | undefined;
  #nameCount = 0;

  constructor({ memoryBytes, repeats, peer }: LabOptions) {
    this.memoryBytes = memoryBytes;
    this.repeats = repeats;
    this.peer = peer;
    this.baseline = buildBaseline(ROOT);
    this.folder = mkdtempSync(path.join(os.tmpdir(), "xenferry-bench-"));
    const files = path.join(ROOT, "build", "bench", "files");
    mkdirSync(files, { recursive: true });
    this.files = mkdtempSync(path.join(files, "run-"));
  }

  /** Memory that nothing uses now. */
  freeBytes(): number {
    return os.freemem();
  }

  /** A path in `folder` that was not used before. */
  path(ending: string): string {
    this.#nameCount++;
    return path.join(this.folder, `${this.#nameCount}${ending}`);
  }

  /** Says what is going on. */
  note(text: string): void {
    process.stderr.write(`${text} …\n`);
  }

  /** Whether `xenferry migrate` has an option. */
  knows(option: string): boolean {
    this.#migrateHelp ??= spawnSync(process.execPath, [MAIN_SCRIPT, "migrate", "--help"], {
      encoding: "utf8",
    }).stdout;
    return new RegExp(`^ +${option}[ \\n]`, "m").test(this.#migrateHelp);
  }

  /** Starts a program and counts what it uses. */
  start(program: string, args: readonly string[]): RunningProcess {
    const { baseline, folder } = this;
    const usageFile = this.path(".usage");
    const running = startCounted({ baseline, usageFile, folder, program, args });
    this.#running.add(running);
    const forget = () => this.#running.delete(running);
    running.finished.then(forget, forget);
    return running;
  }

  /** Starts `xenferry` on this lab's guests. */
  startXenferry(...args: readonly string[]): RunningProcess {
    const common = [MAIN_SCRIPT, "--run-dir", path.join(this.folder, "run"), "--json", "--quiet"];
    return this.start(process.execPath, [...common, ...args]);
  }

  /** Runs `xenferry` on this lab's guests. @throws Error unless its exit status is 0 */
  xenferry(...args: readonly string[]): Promise<Counted> {
    return this.startXenferry(...args).finished;
  }

  /** Ends what runs; whoever waits for it gets an error. */
  stop(): void {
    for (const running of this.#running) {
      running.stop();
    }
  }

  /** Ends all processes and guests and removes all files. */
  async dispose(): Promise<void> {
    const ends = [...this.#running].map(({ finished }) => finished);
    this.stop();
    // A receiver that is told to end takes its guest away itself, and before the guests are listed.
    await Promise.allSettled(ends);
    const { stdout } = await this.xenferry("list");
    for (const { name } of JSON.parse(stdout) as readonly { readonly name: string }[]) {
      await this.xenferry("destroy", name);
    }
    rmSync(this.folder, { recursive: true, force: true });
    rmSync(this.files, { recursive: true, force: true });
  }
}
