import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ENGINE_NAMES, listEngines } from "#dist/engine/select.js";
import type { EngineName } from "#dist/engine/types.js";
import type { BenchCase } from "./case.ts";
import { pageDataCases } from "./codec/page-data.ts";
import { recordCases } from "./codec/records.ts";
import { renderComparison } from "./compare.ts";
import { bitmapCases } from "./engine/bitmap.ts";
import { checksumCases } from "./engine/checksum.ts";
import { digestCases } from "./engine/digest.ts";
import { pagesCases } from "./engine/pages.ts";
import { type Measurement, measure } from "./measure.ts";
import type { CaseResult, MigrationCase } from "./migration/case.ts";
import { MIGRATION_CASES } from "./migration/index.ts";
import { Lab } from "./migration/lab.ts";
import { runCase } from "./migration/run.ts";
import { parseOptions, USAGE } from "./options.ts";
import { conditions, type Results, readResults, writeResults } from "./results.ts";
import { renderCase, renderMeasurements } from "./tables.ts";

const CASES: readonly BenchCase[] = [
  ...bitmapCases,
  ...pagesCases,
  ...checksumCases,
  ...digestCases,
  ...pageDataCases,
  ...recordCases,
];

const options = parseOptions(process.argv.slice(2));

switch (options.action) {
  case "help":
    process.stdout.write(USAGE);
    break;
  case "list":
    list();
    break;
  case "child":
    runChild();
    break;
  case "compare":
    compareWith(readResults(options.compare!.newFile!));
    break;
  case "run":
    await runAll();
    break;
}

function list(): void {
  const lines = [
    ...CASES.map(({ name }) => name),
    ...MIGRATION_CASES.map(({ name, about }) => `${name}: ${about}`),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** Times one case on one engine: `--child CASE ENGINE`; the measurement goes to the parent. */
function runChild(): void {
  const [caseName, engine] = options.words;
  const benchCase = CASES.find(({ name }) => name === caseName)!;
  const measurement = measure(benchCase, engine as EngineName, options.timeMs);
  process.stdout.write(JSON.stringify(measurement));
}

function compareWith(after: Results): void {
  const before = readResults(options.compare!.oldFile);
  process.stdout.write(`${renderComparison(before, after)}\n`);
}

async function runAll(): Promise<void> {
  const filter = new RegExp(options.words[0] ?? "");
  const cases = CASES.filter(({ name }) => filter.test(name));
  const migrationCases = MIGRATION_CASES.filter(({ name }) => filter.test(name));
  if (cases.length + migrationCases.length === 0) {
    throw new Error(`no case matches ${filter}`);
  }
  const measurements = measureAll(cases);
  const migrations = migrationCases.length === 0 ? [] : await migrateAll(migrationCases);
  const results = { ...conditions(options.memoryBytes), measurements, migrations };
  writeResults(options.resultFile, results);
  process.stdout.write(`results: ${options.resultFile}\n`);
  if (options.compare !== undefined) {
    compareWith(results);
  }
}

function measureAll(cases: readonly BenchCase[]): readonly Measurement[] {
  const engines = cases.length === 0 ? [] : enginesToRun();
  const measurements: Measurement[] = [];
  for (const { name } of cases) {
    for (const engine of engines) {
      process.stderr.write(`${name}, ${engine} …\n`);
      measurements.push(runInChild(name, engine));
    }
  }
  if (measurements.length > 0) {
    process.stdout.write(`${renderMeasurements(measurements)}\n\n`);
  }
  return measurements;
}

/** Each case in turn; the first result that is not right ends the run. */
async function migrateAll(cases: readonly MigrationCase[]): Promise<readonly CaseResult[]> {
  const lab = new Lab(options);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => lab.stop());
  }
  const results: CaseResult[] = [];
  try {
    for (const migrationCase of cases) {
      const result = await runCase(migrationCase, lab);
      process.stdout.write(`${renderCase(result)}\n\n`);
      results.push(result);
    }
  } finally {
    await lab.dispose();
  }
  return results;
}

/** Those named, or all that work; one that does not is mentioned, not passed over in silence. */
function enginesToRun(): readonly EngineName[] {
  if (options.engines !== undefined) {
    const named = options.engines;
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
  const time = ["--time-ms", `${options.timeMs}`];
  const child = spawnSync(process.execPath, [script, "--child", caseName, engine, ...time], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.status !== 0) {
    throw new Error(`${caseName} on ${engine} ended with status ${child.status}`);
  }
  return JSON.parse(child.stdout) as Measurement;
}
