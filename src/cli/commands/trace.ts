import type { Command } from "commander";
import { MigrationError } from "../../base/errors.ts";
import { packageVersion } from "../../base/version.ts";
import { formatBytes } from "../../report/format.ts";
import { runsOfInputs } from "../../report/report-input.ts";
import { traceOf } from "../../report/trace.ts";
import { replaceFile } from "../../transport/text-file.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import type { Registrar } from "../program.ts";
import { readReportInputs } from "../report-files.ts";

const HELP = `
PROFILE is what --profile of save, restore, migrate or receive left, also of a migration by xl; '-'
is standard input. Profiles of a source and of its target on one machine become one run. The trace
is opened in ui.perfetto.dev, which keeps it in the browser, or in chrome://tracing.`;

export function registerTrace({ program, run }: Registrar): void {
  program
    .command("trace <profile...>")
    .description("make a trace of profiles that Chrome and Perfetto show")
    .option("-o, --output <file>", "the trace (JSON)", "trace.json")
    .addHelpText("after", HELP)
    .action((files: readonly string[], { output }: { readonly output: string }, command: Command) =>
      run(command, (context) => writeTrace(context, files, output)),
    );
}

async function writeTrace(
  context: Context,
  files: readonly string[],
  output: string,
): Promise<number> {
  const runs = runsOfInputs(await readReportInputs(files));
  if (runs.length === 0) {
    const needs = "a profile: of a sweep there is nothing to trace";
    throw new MigrationError("REPORT_INPUT", { file: files[0], needs });
  }
  const trace = traceOf(runs, packageVersion());
  const text = `${JSON.stringify(trace)}\n`;
  await replaceFile(output, text);
  const events = trace.traceEvents.length;
  context.result({ output, events, runs: runs.map(({ label }) => label) }, () => {
    return `${output}: ${events} events, ${formatBytes(Buffer.byteLength(text))}`;
  });
  return EXIT.SUCCESS;
}
