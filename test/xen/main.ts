/** `npm run test:xen`: builds and boots the lab, runs cells of the matrix, prints the table. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Lab, type LabPart, NoLabError } from "./lab.ts";
import { type Cell, cellsOf, type Hypervisor } from "./matrix.ts";
import { hasHelper } from "./package.ts";
import { renderReasons, renderTable } from "./report.ts";
import { Session } from "./session.ts";

const USAGE = `usage: npm run test:xen -- [options] [FILTER ...]

FILTER is a regular expression on a cell's name, ROW/COLUMN; without any, all cells are run.

  --list       print the cells' names and what they are
  --control    put Xen's own helper in place of ours: what the lab itself is worth
  --quick      what CI runs: PVH and PV 64, save and restore both ways, compiling nothing
  --keep-logs  keep the logs of cells that pass, too
  --limit S    seconds for all boots together (14400; with --quick 590)
  --json FILE  results go here (build/xen/results.json)

The lab is kept in $XENFERRY_LAB (~/.cache/xenferry/xenlab). test/xen/README.md says what it takes.

Status: 0 all passed; 1 a cell failed; 2 wrong use; 77 no lab here, or no time for all cells.
`;
const QUICK_FILTER = /^save-\w+-\w+\/(pvh|pv64)$/;
const LIMIT_S = 14_400;
const QUICK_LIMIT_S = 590;
const EXIT = {
  passed: 0,
  failed: 1,
  usage: 2,
  skipped: 77,
  interrupted: 130,
  terminated: 143,
} as const;
const ROOT = fileURLToPath(new URL("../../../../..", import.meta.url));

// QEMU is stopped as this process exits.
process.once("SIGINT", () => process.exit(EXIT.interrupted));
process.once("SIGTERM", () => process.exit(EXIT.terminated));
process.exitCode = await main();

async function main(): Promise<number> {
  const { values, filters } = readArguments();
  if (values.help) {
    process.stdout.write(USAGE);
    return EXIT.passed;
  }
  const cells = cellsOf({ isControl: values.control })
    .filter(({ name }) => !values.quick || QUICK_FILTER.test(name))
    .filter(({ name }) => filters.length === 0 || filters.some((filter) => filter.test(name)));
  if (cells.length === 0) {
    return refuse("no cell has such a name; see --list");
  }
  if (values.list) {
    process.stdout.write(cells.map((cell) => `${cell.name}: ${cell.row.about}\n`).join(""));
    return EXIT.passed;
  }
  if (!values.control && !hasHelper(ROOT)) {
    return refuse("xenferry-save-helper is not built; --control does without it");
  }
  try {
    const limitS = Number(values.limit ?? (values.quick ? QUICK_LIMIT_S : LIMIT_S));
    return await run(cells, {
      isQuick: values.quick,
      keepsLogs: values["keep-logs"],
      limitS,
      file: path.resolve(values.json),
    });
  } catch (error) {
    if (!(error instanceof NoLabError)) {
      throw error;
    }
    process.stderr.write(`test:xen: ${error.message}\n`);
    return EXIT.skipped;
  }
}

interface RunChoices {
  readonly isQuick: boolean;
  readonly keepsLogs: boolean;
  readonly limitS: number;
  /** Where the results go. */
  readonly file: string;
}

async function run(cells: readonly Cell[], choices: RunChoices): Promise<number> {
  const lab = new Lab(process.env);
  const startMs = performance.now();
  await lab.build(path.join(ROOT, "test", "xen", "build.sh"), {
    parts: partsFor(cells, choices),
    limitS: choices.limitS,
  });
  const buildS = secondsSince(startMs);
  const { keepsLogs } = choices;
  const folder = mkdtempSync(path.join(tmpdir(), "xenferry-xen-"));
  const limitS = choices.limitS - buildS;
  const session = new Session({ lab, root: ROOT, folder, keepsLogs, limitS });
  for (const hypervisor of ["debian", "shadow"] as const satisfies readonly Hypervisor[]) {
    const own = cells.filter((cell) => cell.hypervisor === hypervisor);
    await session.runAll(own, hypervisor);
    await session.runFailedAgain(own, hypervisor);
  }
  const { results, boots } = session;
  const times = { buildS, boots, totalS: secondsSince(startMs) };
  mkdirSync(path.dirname(choices.file), { recursive: true });
  writeFileSync(choices.file, `${JSON.stringify({ times, results }, undefined, 2)}\n`);
  process.stdout.write(`\n${renderTable(cells, results)}\n${renderReasons(results)}`);
  const bootTimes = boots.map((boot) => `${boot.tookS} s (${boot.cellsS} s in cells)`);
  const [first] = boots.flatMap(({ versions }) => versions ?? []);
  if (first !== undefined) {
    const under = `${cpus().length} CPUs of ${cpus()[0]?.model}, emulated`;
    process.stdout.write(`Xen ${first.xen}, dom0 ${first.dom0}, ${first.deviceModel}; ${under}\n`);
  }
  process.stdout.write(`build ${buildS} s, boots ${bootTimes.join(", ")}, all ${times.totalS} s\n`);
  process.stdout.write(`results in ${path.relative(process.cwd(), choices.file)}\n`);
  if (results.every(({ logs }) => logs === undefined)) {
    rmSync(folder, { recursive: true });
  }
  const outcomes = new Set(results.map(({ outcome }) => outcome));
  return outcomes.has("failed")
    ? EXIT.failed
    : outcomes.has("not run")
      ? EXIT.skipped
      : EXIT.passed;
}

function partsFor(cells: readonly Cell[], { isQuick }: RunChoices): readonly LabPart[] {
  const needsShadow = cells.some(({ hypervisor }) => hypervisor === "shadow");
  return [
    ...(isQuick ? [] : ["guest-kernel" as const]),
    ...(needsShadow ? ["shadow" as const] : []),
  ];
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        help: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        control: { type: "boolean", default: false },
        quick: { type: "boolean", default: false },
        "keep-logs": { type: "boolean", default: false },
        limit: { type: "string" },
        json: { type: "string", default: "build/xen/results.json" },
      },
    });
    return { values, filters: positionals.map((text) => new RegExp(text)) };
  } catch (error) {
    process.exit(refuse(error instanceof Error ? error.message : String(error)));
  }
}

function refuse(reason: string): number {
  process.stderr.write(`test:xen: ${reason}\n`);
  return EXIT.usage;
}

function secondsSince(startMs: number): number {
  return Math.round((performance.now() - startMs) / 1000);
}
