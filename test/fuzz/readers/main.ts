/**
 * `npm run fuzz:readers`: damaged inputs for every reader, in processes of their own, each watched
 * for crashes, for standing still and for memory. `--help` names the options.
 */
import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { ChildReport, ChildTask } from "./child.ts";
import { fuzzTargets } from "./targets.ts";

const HELP = `usage: npm run fuzz:readers -- [options]

  --inputs N       inputs, divided among the targets (140000)
  --target REGEX   targets by name (all)
  --seed N         decides all inputs (the time)
  --first N        number of the first input of each target (0)
  --processes N    at a time (one for each CPU)
  --corpus FOLDER  keep an input for each thing that came of one (test/fuzz/corpus)
`;

const CHILD = fileURLToPath(new URL("./child.js", import.meta.url));
const MEMORY_BYTES_MAX = 256 * 2 ** 20;
/** A child that says nothing for so long stands still (ms). */
const SILENCE_MS_MAX = 120_000;
/** Inputs of one child: its memory is looked at when it ends. */
const INPUTS_PER_CHILD = 100_000;

interface Settings {
  readonly inputs: number;
  readonly seed: number;
  readonly first: number;
  readonly processes: number;
  readonly targets: readonly string[];
  readonly corpusFolder: string | undefined;
}

interface Tally {
  inputs: number;
  seconds: number;
  memoryBytes: number;
  readonly failures: string[];
}

function settingsOf(args: readonly string[]): Settings | undefined {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      inputs: text,
      target: text,
      seed: text,
      first: text,
      processes: text,
      corpus: text,
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    return undefined;
  }
  const pattern = new RegExp(values.target ?? "");
  return {
    inputs: Number(values.inputs ?? 140_000),
    seed: Number(values.seed ?? Date.now() % 1e9),
    first: Number(values.first ?? 0),
    processes: Number(values.processes ?? availableParallelism()),
    targets: fuzzTargets()
      .map(({ name }) => name)
      .filter((name) => pattern.test(name)),
    corpusFolder: values.corpus,
  };
}

/** Pieces of all targets in turn, so that a run that is broken off has looked at all of them. */
function tasksOf({ inputs, targets, seed, first, corpusFolder }: Settings): ChildTask[] {
  const each = Math.ceil(inputs / targets.length);
  const tasks: ChildTask[] = [];
  for (let done = 0; done < each; done += INPUTS_PER_CHILD) {
    const count = Math.min(INPUTS_PER_CHILD, each - done);
    tasks.push(
      ...targets.map((target) => ({ target, seed, first: first + done, count, corpusFolder })),
    );
  }
  return tasks;
}

/** Runs a task; what went wrong goes into the tally. */
function runTask(task: ChildTask, tally: Tally): Promise<void> {
  const child = fork(CHILD);
  const startMs = performance.now();
  let done = 0;
  let hasEnded = false;
  const fail = (what: string) =>
    tally.failures.push(`${task.target}: ${what}; seed ${task.seed}, from ${task.first + done} on`);
  const giveUp = () => {
    fail(`nothing was heard for ${SILENCE_MS_MAX / 1000} s`);
    hasEnded = true;
    child.kill("SIGKILL");
  };
  let silence = setTimeout(giveUp, SILENCE_MS_MAX);
  child.on("message", (report: ChildReport) => {
    clearTimeout(silence);
    silence = setTimeout(giveUp, SILENCE_MS_MAX);
    if (report.kind === "progress") {
      done = report.done;
      return;
    }
    hasEnded = true;
    if (report.kind === "failure") {
      tally.failures.push(report.message);
      return;
    }
    done = task.count;
    tally.memoryBytes = Math.max(tally.memoryBytes, report.memoryBytes);
    if (report.memoryBytes > MEMORY_BYTES_MAX) {
      fail(`${report.memoryBytes} octets of memory`);
    }
  });
  child.send(task);
  return new Promise((resolve) => {
    child.once("exit", (status, signal) => {
      clearTimeout(silence);
      if (!hasEnded) {
        fail(`the process ended with ${signal ?? status}`);
      }
      tally.inputs += done;
      tally.seconds += (performance.now() - startMs) / 1000;
      resolve();
    });
  });
}

function print(name: string, { inputs, seconds, memoryBytes, failures }: Tally): void {
  const rate = Math.round(inputs / Math.max(seconds, 1e-3));
  const peak = Math.round(memoryBytes / 2 ** 20);
  const columns = [name.padEnd(20), `${inputs}`.padStart(10), `${rate}/s`.padStart(10)];
  process.stdout.write(`${columns.join("")} ${`${peak} MiB`.padStart(8)}  ${failures.length}\n`);
}

async function main(): Promise<number> {
  const settings = settingsOf(process.argv.slice(2));
  if (settings === undefined) {
    process.stdout.write(HELP);
    return 0;
  }
  process.stdout.write(`seed ${settings.seed}, ${settings.processes} processes\n`);
  const newTally = (): Tally => ({ inputs: 0, seconds: 0, memoryBytes: 0, failures: [] });
  const tallies = new Map(settings.targets.map((name) => [name, newTally()]));
  const tasks = tasksOf(settings);
  const worker = async () => {
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
      await runTask(task, tallies.get(task.target)!);
    }
  };
  await Promise.all(Array.from({ length: settings.processes }, worker));
  process.stdout.write(`${"target".padEnd(20)}    inputs      rate     peak  failures\n`);
  tallies.forEach((tally, name) => {
    print(name, tally);
  });
  const failures = [...tallies.values()].flatMap((tally) => tally.failures);
  process.stdout.write(failures.map((failure) => `${failure}\n`).join(""));
  return failures.length === 0 ? 0 : 1;
}

process.exit(await main());
