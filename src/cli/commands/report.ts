import type { Command } from "commander";
import { packageVersion } from "../../base/version.ts";
import { formatBytes } from "../../report/format.ts";
import { reportData } from "../../report/report-data.ts";
import { type ReportInput, runsOfInputs } from "../../report/report-input.ts";
import type { ReportRun } from "../../report/report-run.ts";
import { summarise } from "../../report/summary.ts";
import { namedRuns, summariseSweep } from "../../report/sweep-summary.ts";
import { renderRun, renderRuns, renderSweep, type TerminalLook } from "../../report/tty.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import type { Registrar } from "../program.ts";
import { readReportInputs } from "../report-files.ts";
import { writeReportPage } from "../report-page.ts";
import { terminalLook } from "../terminal-look.ts";

interface ReportOptions {
  readonly output: string;
  readonly tty?: boolean;
  readonly title?: string;
}

const HELP = `
FILE is a profile of save, restore, migrate or receive (--profile FILE), also of a migration by xl,
or what 'xenferry bench' leaves, complete or not; '-' is standard input. Several are compared.
Profiles of a source and of its target on one machine become one run.

The page is one file that needs no network. With --tty, or --json, none is written.`;

export function registerReport({ program, run }: Registrar): void {
  program
    .command("report <file...>")
    .description("explain profiles and sweeps: an HTML page, or the essentials in the terminal")
    .option("-o, --output <file>", "the page", "report.html")
    .option("--tty", "print the essentials instead")
    .option("--title <text>", "of the page")
    .addHelpText("after", HELP)
    .action((files: readonly string[], options: ReportOptions, command: Command) =>
      run(command, (context) => report(context, files, options)),
    );
}

async function report(
  context: Context,
  files: readonly string[],
  options: ReportOptions,
): Promise<number> {
  const inputs = await readReportInputs(files);
  const runs = runsOfInputs(inputs);
  const sweeps = inputs.filter((input) => input.kind === "sweep");
  if (context.isJson || options.tty === true) {
    context.result(essentials(runs, sweeps), () =>
      terminalText(runs, sweeps, terminalLook(context.width)),
    );
    return EXIT.SUCCESS;
  }
  const data = reportData({
    title: options.title ?? titleOf(runs, sweeps),
    madeAt: new Date().toISOString(),
    xenferry: packageVersion(),
    runs,
    sweeps: sweeps.map(({ file, sweep }) => ({ label: nameOf(file), sweep })),
  });
  const bytes = await writeReportPage(options.output, data);
  context.announce({}, `${options.output}: ${formatBytes(bytes)}`);
  return EXIT.SUCCESS;
}

type SweepInput = Extract<ReportInput, { kind: "sweep" }>;

function essentials(runs: readonly ReportRun[], sweeps: readonly SweepInput[]): object {
  return {
    runs: runs.map(summarise),
    sweeps: sweeps.map(({ file, sweep }) => ({
      file,
      cells: summariseSweep(sweep),
      named: namedRuns(sweep),
    })),
  };
}

function terminalText(
  runs: readonly ReportRun[],
  sweeps: readonly SweepInput[],
  look: TerminalLook,
): string {
  const [first] = runs;
  const ofRuns =
    first === undefined
      ? []
      : [runs.length === 1 ? renderRun(first, look) : renderRuns(runs, look)];
  return [...ofRuns, ...sweeps.map(({ sweep }) => renderSweep(sweep, look))].join("\n\n");
}

function titleOf(runs: readonly ReportRun[], sweeps: readonly SweepInput[]): string {
  const [run] = runs;
  const [sweep] = sweeps;
  if (run !== undefined && runs.length === 1 && sweep === undefined) {
    return `${run.operation} of ${run.guestName}`;
  }
  const parts = [
    runs.length === 0 ? "" : `${runs.length} run${runs.length === 1 ? "" : "s"}`,
    ...sweeps.map(({ file }) => `the sweep ${nameOf(file)}`),
  ];
  return parts.filter((part) => part !== "").join(", ");
}

function nameOf(file: string): string {
  return file.replace(/^.*\//, "").replace(/\.json$/, "");
}
