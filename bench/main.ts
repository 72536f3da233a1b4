import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { ENGINE_NAMES, listEngines } from "#dist/engine/select.js";
import type { EngineName } from "#dist/engine/types.js";
import type { BenchCase } from "./case.ts";
import { pageDataCases } from "./codec/page-data.ts";
import { recordCases } from "./codec/records.ts";
import { bitmapCases } from "./engine/bitmap.ts";
import { checksumCases } from "./engine/checksum.ts";
import { digestCases } from "./engine/digest.ts";
import { pagesCases } from "./engine/pages.ts";
import { type Measurement, measure } from "./measure.ts";

const CASES: readonly BenchCase[] = [
  ...bitmapCases,
  ...pagesCases,
  ...checksumCases,
  ...digestCases,
  ...pageDataCases,
  ...recordCases,
];
const USAGE = `usage: npm run bench -- [REGEX] [--engine native,wasm,reference] [--time-ms 300]
                            [--out build/bench/results.json]
`;

/** Version of the result file's layout. */
const RESULT_VERSION = 1;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    engine: { type: "string" },
    "time-ms": { type: "string", default: "300" },
    out: { type: "string", default: "build/bench/results.json" },
    child: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (options.help) {
  process.stdout.write(USAGE);
} else if (options.child) {
  runChild();
} else {
  runAll();
}

/** Times one case on one engine: `--child CASE ENGINE`; the measurement goes to the parent. */
function runChild(): void {
  const [caseName, engine] = positionals;
  const benchCase = CASES.find(({ name }) => name === caseName)!;
  const measurement = measure(benchCase, engine as EngineName, Number(options["time-ms"]));
  process.stdout.write(JSON.stringify(measurement));
}

function runAll(): void {
  const filter = new RegExp(positionals[0] ?? "");
  const cases = CASES.filter(({ name }) => filter.test(name));
  if (cases.length === 0) {
    throw new Error(`no case matches ${filter}`);
  }
  const engines = enginesToRun();
  const measurements: Measurement[] = [];
  for (const { name } of cases) {
    for (const engine of engines) {
      process.stderr.write(`${name}, ${engine} …\n`);
      measurements.push(runInChild(name, engine));
    }
  }
  process.stdout.write(`${tableOf(measurements)}\n`);
  const result = { version: RESULT_VERSION, ...conditions(), measurements };
  mkdirSync(path.dirname(options.out), { recursive: true });
  writeFileSync(options.out, `${JSON.stringify(result, null, 2)}\n`);
  process.stdout.write(`results: ${options.out}\n`);
}

/** Those named, or all that work; one that does not is mentioned, not passed over in silence. */
function enginesToRun(): readonly EngineName[] {
  if (options.engine !== undefined) {
    const named = options.engine.split(",");
    const unknown = named.find((name) => !ENGINE_NAMES.some((engine) => engine === name));
    if (unknown !== undefined) {
      throw new Error(`no engine is named '${unknown}'`);
    }
    return ENGINE_NAMES.filter((name) => named.includes(name));
  }
  return listEngines().flatMap((report) => {
    if (!report.available) {
      process.stderr.write(`without ${report.name}: ${report.reason}\n`);
    }
    return report.available ? [report.name] : [];
  });
}

function runInChild(caseName: string, engine: EngineName): Measurement {
  const script = fileURLToPath(import.meta.url);
  const time = ["--time-ms", options["time-ms"]];
  const child = spawnSync(process.execPath, [script, "--child", caseName, engine, ...time], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.status !== 0) {
    throw new Error(`${caseName} on ${engine} ended with status ${child.status}`);
  }
  return JSON.parse(child.stdout) as Measurement;
}

function tableOf(measurements: readonly Measurement[]): string {
  const table = new Table({
    head: ["case", "engine", "ms", "±%", "GB/s", "times the speed of"],
    colAligns: ["left", "left", "right", "right", "right", "left"],
    style: { head: [], border: [] },
  });
  for (const { case: name, engine, timing, baselines } of measurements) {
    const ratios = baselines.map(
      (baseline) => `${(baseline.medianMs / timing.medianMs).toFixed(2)} ${baseline.name}`,
    );
    table.push([
      name,
      engine,
      timing.medianMs.toFixed(3),
      timing.marginPercent.toFixed(1),
      timing.gigabytesPerSecond.toFixed(1),
      ratios.join(", "),
    ]);
  }
  return table.toString();
}

/** What must be known to compare results: machine, system, versions, commit. */
function conditions(): Readonly<Record<string, unknown>> {
  const git = (...args: string[]): string =>
    spawnSync("git", args, { encoding: "utf8" }).stdout?.trim() ?? "";
  return {
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
    timeMs: Number(options["time-ms"]),
  };
}
