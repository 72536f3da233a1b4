import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { Command } from "commander";
import { MigrationError } from "../../base/errors.ts";
import { packageVersion } from "../../base/version.ts";
import { type Scenario, STANDARD_SCENARIOS } from "../../model/scenarios.ts";
import { parseTrace } from "../../model/trace-file.ts";
import { formatBytes } from "../../report/format.ts";
import { renderTable } from "../../report/render.ts";
import { reportData } from "../../report/report-data.ts";
import { parseReportInput } from "../../report/report-input.ts";
import type { Sweep, SweepCell, SweepConditions, SweepPlan } from "../../report/sweep-result.ts";
import { namedRuns, summariseSweep } from "../../report/sweep-summary.ts";
import { renderSweep } from "../../report/tty.ts";
import { compareSweeps } from "../../sweep/compare.ts";
import { csvOf } from "../../sweep/csv.ts";
import { CURVE_SCENARIO, cellsOf, GIGABIT_BYTES, planOf, standardCells } from "../../sweep/plan.ts";
import { journalOf, ResultsFile } from "../../sweep/results-file.ts";
import { tasksLeft } from "../../sweep/tasks.ts";
import { openOutput } from "../../transport/file-sink.ts";
import type { Context } from "../context.ts";
import { renderSweepComparison } from "../display/sweep-comparison.ts";
import { EXIT } from "../exit.ts";
import type { Registrar } from "../program.ts";
import { writeReportPage } from "../report-page.ts";
import { silentSweepDisplay, sweepDisplay } from "../sweep/live-table.ts";
import { type BenchPlace, benchMigration, removeGuests } from "../sweep/migration.ts";
import { addBenchOptions, type BenchOptions } from "../sweep/options.ts";
import { terminalLook } from "../terminal-look.ts";

const SCENARIOS = [...STANDARD_SCENARIOS, CURVE_SCENARIO];

const HELP = `
SCENARIO is a file, a trace with a "workload" (as simulate takes it), or one of
${SCENARIOS.map(({ name, about }) => `  ${name.padEnd(10)}${about}`).join("\n")}

Its guest gets the memory and link of each cell, and stores as much for each octet that the link
carries as it would in the scenario. Without a scenario and without axes it is the standard sweep:
all of them with 128 MiB over a link of 1 Gbit/s, by the policies downtime and xen. Each migration
goes from one process to another over TCP on this machine, and its guest proves all of its memory.

Results are added to FILE.partial as they come: after Ctrl-C the same command goes on. The status is
1 where a migration that counts was bad.

This measures migrations of embedded guests. 'npm run bench' in a checkout measures xenferry's own
parts, beside other programs.`;

export function registerBench({ program, run }: Registrar): void {
  const command = program
    .command("bench [scenario...]")
    .description("measure downtime and total time over a sweep of guests, links and policies");
  addBenchOptions(command)
    .addHelpText("after", HELP)
    .action((scenarios: readonly string[], options: BenchOptions, self: Command) =>
      run(self, (context) => bench(context, scenarios, options)),
    );
}

async function bench(
  context: Context,
  names: readonly string[],
  options: BenchOptions,
): Promise<number> {
  if (options.guest !== undefined) {
    const needs = "embedded guests, which it makes itself; a domain of Xen cannot be measured yet";
    throw new MigrationError("USAGE_ARGUMENT", { option: "--guest", needs });
  }
  if (options.compare !== undefined) {
    return compare(context, options.compare);
  }
  const plan = await planFor(context, names, options);
  if (options.list === true) {
    context.result(plan, () => listText(plan));
    return EXIT.SUCCESS;
  }
  return measure(context, plan, options);
}

async function planFor(
  context: Context,
  names: readonly string[],
  options: BenchOptions,
): Promise<SweepPlan> {
  const { rounds, warmUp, kind } = options;
  const frame = {
    kind,
    engines: options.engines ?? [context.engine().engine.name],
    downtimeTargetMs: options.downtime ?? [50],
    vcpusMax: os.availableParallelism(),
  };
  const axes = [options.dirty, options.pattern, options.memory, options.link, options.policy];
  if (names.length === 0 && axes.every((axis) => axis === undefined)) {
    return planOf("standard", standardCells(frame), { rounds, warmUp });
  }
  const scenarios =
    names.length === 0 ? [CURVE_SCENARIO] : await Promise.all(names.map(scenarioNamed));
  const cells = cellsOf({
    ...frame,
    scenarios,
    storesPerSecond: options.dirty ?? [],
    patterns: options.pattern ?? [],
    memoryBytes: options.memory ?? [128 * 2 ** 20],
    linkBytesPerSecond: options.link ?? [GIGABIT_BYTES],
    policies: options.policy ?? ["downtime"],
  });
  return planOf(scenarios.map(({ name }) => name).join(", "), cells, { rounds, warmUp });
}

/** @throws MigrationError TRACE_INVALID, TRANSPORT_OPEN */
async function scenarioNamed(name: string): Promise<Scenario> {
  const known = SCENARIOS.find((scenario) => scenario.name === name);
  if (known !== undefined) {
    return known;
  }
  const trace = parseTrace(await textOf(name), name);
  const { workload, linkBytesPerSecond } = trace;
  if (workload === undefined) {
    throw new MigrationError("TRACE_INVALID", { trace: name, missing: "workload" });
  }
  return { ...trace, workload, linkBytesPerSecond: linkBytesPerSecond ?? GIGABIT_BYTES };
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new MigrationError("TRANSPORT_OPEN", { file }, error);
  }
}

function listText({ cells, rounds, warmUp }: SweepPlan): string {
  const rows = cells.map(({ id, guest }: SweepCell) => [id, guest]);
  const count = cells.length * (rounds + warmUp);
  return `${renderTable(["cell", "guest"], rows)}\n${cells.length} cells, ${count} migrations`;
}

async function measure(context: Context, plan: SweepPlan, options: BenchOptions): Promise<number> {
  const { output } = options;
  const begin = options.anew === true ? "anew" : "where it ended";
  const request = { file: output, plan, conditions: conditionsNow(), begin } as const;
  const results = await ResultsFile.open(request);
  const before = results.sweep.runs.length;
  if (before > 0) {
    context.note(`${output}: ${before} migrations are there already; --anew forgets them`);
  }
  try {
    await runTasks(context, results, options);
  } catch (error) {
    await results.close();
    context.note(`kept: ${results.sweep.runs.length} migrations, in ${journalOf(output)}`);
    throw error;
  }
  await results.complete();
  const { sweep } = results;
  await writeBesides(context, sweep, options);
  const named = namedRuns(sweep);
  const look = terminalLook(context.width);
  context.result(
    { file: output, cells: summariseSweep(sweep), named },
    () => `${renderSweep(sweep, look)}\n\n${output}`,
  );
  const isBad = sweep.runs.some(({ outcome, round }) => outcome === "bad" && round > 0);
  return isBad ? EXIT.WORLD : EXIT.SUCCESS;
}

async function runTasks(
  context: Context,
  results: ResultsFile,
  { timeout }: BenchOptions,
): Promise<void> {
  const { plan, runs } = results.sweep;
  const tasks = tasksLeft(plan, runs);
  const runDir = await mkdtemp(path.join(os.tmpdir(), "xenferry-bench-"));
  const place: BenchPlace = { context, runDir, timeoutMs: timeout * 1000 };
  const total = tasks.length + runs.length;
  const display = context.isQuiet
    ? silentSweepDisplay
    : sweepDisplay(process.stderr, { look: terminalLook(context.width), total });
  try {
    for (const task of tasks) {
      display.begin(task, results.sweep);
      const run = await benchMigration(place, task);
      await results.add(run);
      display.ended(run, results.sweep);
    }
  } finally {
    display.stop();
    await removeGuests(runDir);
    await rm(runDir, { recursive: true, force: true });
  }
}

function conditionsNow(): SweepConditions {
  return {
    startedAt: new Date().toISOString(),
    xenferry: packageVersion(),
    machine: {
      cpu: os.cpus()[0]?.model ?? "unknown",
      cpuCount: os.availableParallelism(),
      memoryBytes: os.totalmem(),
      kernel: `${os.type()} ${os.release()}`,
      arch: os.arch(),
      node: process.version,
    },
  };
}

async function writeBesides(context: Context, sweep: Sweep, options: BenchOptions): Promise<void> {
  const { csv, html } = options;
  if (csv !== undefined) {
    const sink = await openOutput(csv);
    await sink.write(Buffer.from(csvOf(sweep)));
    await sink.end();
  }
  if (html !== undefined) {
    const { name } = sweep.plan;
    const data = reportData({
      title: `Sweep: ${name}`,
      madeAt: new Date().toISOString(),
      xenferry: packageVersion(),
      runs: [],
      sweeps: [{ label: name, sweep }],
    });
    context.note(`${html}: ${formatBytes(await writeReportPage(html, data))}`);
  }
}

async function compare(context: Context, files: readonly string[]): Promise<number> {
  const [before, after] = files;
  if (before === undefined || after === undefined || files.length !== 2) {
    throw new MigrationError("USAGE_ARGUMENT", { option: "--compare", needs: "two files" });
  }
  const comparison = compareSweeps(await readSweep(before), await readSweep(after));
  context.result(comparison, () => renderSweepComparison(comparison, { before, after }));
  return EXIT.SUCCESS;
}

/** @throws MigrationError REPORT_INPUT, TRANSPORT_OPEN */
async function readSweep(file: string): Promise<Sweep> {
  const input = parseReportInput(await textOf(file), file);
  if (input.kind !== "sweep") {
    throw new MigrationError("REPORT_INPUT", { file, needs: "what 'xenferry bench' leaves" });
  }
  return input.sweep;
}
