import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import type { Lab } from "./lab.ts";

/** How two processes are connected. */
export type Via = "unix" | "tcp";

/** What a subcommand of the baseline program says about its work. */
export interface Report {
  readonly bytes: number;
  readonly seconds: number;
  readonly userSeconds: number;
  readonly systemSeconds: number;
  readonly peakRssBytes: number;
}

const FLAGS = ["-std=c++20", "-O3", "-Wall", "-Wextra", "-fno-strict-aliasing"];

/**
 * Compiles `bench/native` unless its program is newer than its sources; `CXX` names the compiler.
 *
 * @returns the program's path. @throws Error with what the compiler says
 */
export function buildBaseline(root: string): string {
  const folder = path.join(root, "bench", "native");
  const program = path.join(root, "build", "bench", "native", "baseline");
  const files = readdirSync(folder).map((name) => path.join(folder, name));
  const changedMs = Math.max(...files.map((file) => statSync(file).mtimeMs));
  if (existsSync(program) && statSync(program).mtimeMs > changedMs) {
    return program;
  }
  mkdirSync(path.dirname(program), { recursive: true });
  const sources = files.filter((file) => file.endsWith(".cc"));
  const compiler = process.env.CXX ?? "c++";
  const args = [...FLAGS, "-o", program, ...sources];
  const { status, stderr, error } = spawnSync(compiler, args, { encoding: "utf8" });
  if (status !== 0) {
    throw new Error(`${compiler} cannot build the baselines: ${error?.message ?? stderr}`);
  }
  return program;
}

/** Runs a subcommand that works alone. */
export async function runBaseline(lab: Lab, ...args: readonly string[]): Promise<Report> {
  const { stdout } = await lab.start(lab.baseline, args).finished;
  return JSON.parse(stdout) as Report;
}

/**
 * Runs a sender and a receiver of the baseline program against each other.
 *
 * @returns what each says; the receiver's seconds run from the first byte until all is in place.
 */
export async function runPair(
  lab: Lab,
  {
    kind,
    via,
    bytes,
    into,
  }: {
    readonly kind: "raw" | "stock";
    readonly via: Via;
    readonly bytes: number;
    /** Where a raw receiver puts it. */
    readonly into?: "hot" | "mapped" | "pwrite";
  },
): Promise<{ readonly source: Report; readonly target: Report }> {
  const address = via === "unix" ? `unix:${lab.path(".sock")}` : "tcp:0";
  const size = `bytes=${bytes}`;
  const place = into === undefined ? [] : [`into=${into}`];
  const receive = [`${kind}-receive`, `address=${address}`, size, ...place];
  const receiver = lab.start(lab.baseline, receive);
  const { listening } = JSON.parse(await receiver.firstLine()) as { readonly listening: string };
  const source = await runBaseline(lab, `${kind}-send`, `address=${listening}`, size);
  const { stdout } = await receiver.finished;
  const report = stdout.trim().split("\n").at(-1)!;
  return { source, target: JSON.parse(report) as Report };
}
