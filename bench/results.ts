import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Measurement } from "./measure.ts";
import type { CaseResult } from "./migration/case.ts";

/** Version of the result file's layout. */
const RESULT_VERSION = 2;

/** A result file. */
export interface Results {
  readonly version: number;
  readonly startedAt: string;
  readonly commit: string;
  readonly isCommitClean: boolean;
  readonly machine: {
    readonly cpu: string;
    readonly cpuCount: number;
    readonly memoryBytes: number;
    readonly architecture: string;
    readonly kernel: string;
  };
  readonly nodeVersion: string;
  /** What was asked for on the command line. */
  readonly command: readonly string[];
  readonly guestMemoryBytes: number;
  /** Engine and codec. */
  readonly measurements: readonly Measurement[];
  /** Whole migrations. */
  readonly migrations: readonly CaseResult[];
}

/** What must be known to compare results: machine, system, versions, commit, command. */
export function conditions(guestMemoryBytes: number): Omit<Results, "measurements" | "migrations"> {
  const git = (...args: string[]): string =>
    spawnSync("git", args, { encoding: "utf8" }).stdout?.trim() ?? "";
  return {
    version: RESULT_VERSION,
    startedAt: new Date().toISOString(),
    commit: git("rev-parse", "HEAD") || "unknown",
    isCommitClean: git("status", "--porcelain", "--untracked-files=no") === "",
    machine: {
      cpu: os.cpus()[0]?.model ?? "unknown",
      cpuCount: os.cpus().length,
      memoryBytes: os.totalmem(),
      architecture: process.arch,
      kernel: `${os.type()} ${os.release()}`,
    },
    nodeVersion: process.version,
    command: process.argv.slice(2),
    guestMemoryBytes,
  };
}

/** Writes a result file and the folders on its way. */
export function writeResults(file: string, results: Results): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
}

/** Reads a result file. @throws Error if it is of another version */
export function readResults(file: string): Results {
  const results = JSON.parse(readFileSync(file, "utf8")) as Results;
  if (results.version !== RESULT_VERSION) {
    throw new Error(`${file} is of version ${results.version}, not ${RESULT_VERSION}`);
  }
  return results;
}
