import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

/** What a process used from its start to its end. */
export interface Usage {
  readonly userSeconds: number;
  readonly systemSeconds: number;
  /** Pages of other processes' memory that it had mapped count in, as the kernel counts them. */
  readonly peakRssBytes: number;
  /** Of memory that is its own, looked at every 20 ms. */
  readonly peakAnonymousBytes: number;
}

/** A process that has ended well. */
export interface Counted {
  readonly stdout: string;
  /** From its start to its end. */
  readonly seconds: number;
  readonly usage: Usage;
}

/** A process under way. */
export interface RunningProcess {
  /** Its first line of output. @throws Error if it ends without one */
  readonly firstLine: () => Promise<string>;
  /** Rejects unless the exit status is 0. */
  readonly finished: Promise<Counted>;
  readonly stop: () => void;
}

/** Longer than anything measured takes: what hangs is ended. */
const TIMEOUT_MS = 1_200_000;

/**
 * Starts a program below `baseline rusage`.
 *
 * @param usageFile where the counts go on the way.
 */
export function startCounted({
  baseline,
  usageFile,
  folder,
  program,
  args,
}: {
  readonly baseline: string;
  readonly usageFile: string;
  readonly folder: string;
  readonly program: string;
  readonly args: readonly string[];
}): RunningProcess {
  const startMs = performance.now();
  const child = spawn(baseline, ["rusage", usageFile, program, ...args], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const closed = once(child, "close") as Promise<[number | null]>;
  const finish = async (): Promise<Counted> => {
    const [status] = await closed;
    const seconds = (performance.now() - startMs) / 1000;
    if (status !== 0) {
      const command = [program, ...args].join(" ");
      throw new Error(`${command}\nended with status ${status}: ${stderr}${stdout}`);
    }
    return { stdout, seconds, usage: JSON.parse(readFileSync(usageFile, "utf8")) as Usage };
  };
  const finished = finish();
  // Whoever awaits it later still gets the error; until then it is nobody's oversight.
  finished.catch(() => undefined);
  const firstLine = async (): Promise<string> => {
    while (!stdout.includes("\n")) {
      await Promise.race([once(child.stdout, "data"), finished.then(failSilent)]);
    }
    return stdout.slice(0, stdout.indexOf("\n"));
  };
  return { firstLine, finished, stop: () => child.kill("SIGTERM") };
}

function failSilent(): never {
  throw new Error("a process ended before it said anything");
}
