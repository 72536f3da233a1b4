import type { Command } from "commander";
import { type Inspection, inspectStream } from "../../migration/inspect.ts";
import { orInterruption } from "../../migration/interruption.ts";
import { type Finding, type VerifyResult, verifyStream } from "../../migration/verify-stream.ts";
import { formatBytes, formatCount } from "../../report/format.ts";
import { renderTable } from "../../report/render.ts";
import { type ImageSource, openImage } from "../../transport/image-file.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import type { Registrar } from "../program.ts";

/** verify and inspect. */
export function registerImageCommands({ program, run }: Registrar): void {
  program
    .command("verify <file>")
    .description("check a saved image against the specifications ('-' is standard input)")
    .action((file: string, _options: object, command: Command) =>
      run(command, (context) => withImage(file, (image) => verify(context, file, image))),
    );
  program
    .command("inspect <file>")
    .description("say what is in a saved image ('-' is standard input)")
    .option("--no-digest", "leave out the digest of the resulting memory")
    .action((file: string, options: { readonly digest: boolean }, command: Command) =>
      run(command, (context) => withImage(file, (image) => inspect(context, image, options))),
    );
}

async function withImage(
  file: string,
  work: (image: ImageSource) => Promise<number>,
): Promise<number> {
  const image = await openImage(file === "-" ? process.stdin : file);
  try {
    return await work(image);
  } finally {
    await image.close();
  }
}

async function verify(context: Context, file: string, image: ImageSource): Promise<number> {
  const { engine } = context.engine();
  const result = await interruptible(context, image, () =>
    verifyStream(image, { pageDataHead: engine, signal: context.signal }),
  );
  context.result({ file, ...result }, () => verdict(file, result));
  return result.summary.isAccepted ? EXIT.SUCCESS : EXIT.WORLD;
}

function verdict(file: string, { findings, summary }: VerifyResult): string {
  const lines = findings.map(findingLine);
  const omitted = summary.findingCount - findings.length;
  if (omitted > 0) {
    lines.push(`and ${formatCount(omitted)} more findings`);
  }
  if (summary.trailingSentence !== undefined) {
    const sentence = summary.trailingSentence.toLowerCase();
    lines.push(`after the end: ${summary.trailingBytes} octets, xl's sentence of ${sentence}`);
  }
  const entries = `${formatCount(summary.pageEntryCount)} page entries`;
  const size = `${formatCount(summary.recordCount)} records, ${entries}`;
  const word = summary.isAccepted ? "accepted" : "NOT accepted";
  lines.push(`${file}: ${word}: ${size}, ${formatBytes(summary.bytes)}`);
  return lines.join("\n");
}

function findingLine(finding: Finding): string {
  const { severity, code, sentence, offset, layer, record, facts } = finding;
  const where = Object.entries({ offset, layer, record, ...facts })
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} ${value}`);
  return `${severity}: ${sentence} (${where.join(", ")}) [${code}]`;
}

async function inspect(
  context: Context,
  image: ImageSource,
  options: { readonly digest: boolean },
): Promise<number> {
  const { engine, reasons } = context.engine();
  const report = await interruptible(context, image, () =>
    inspectStream(image, {
      pageDataHead: engine,
      memoryDigest: options.digest ? "make" : "leave-out",
      signal: context.signal,
    }),
  );
  const { compression } = image;
  const full = { ...report, compression, engine: { name: engine.name, reasons } };
  context.result(full, () => describe(report));
  return report.error === undefined ? EXIT.SUCCESS : EXIT.WORLD;
}

/** Closes the image when the user interrupts, so that a read under way ends too. */
async function interruptible<Result>(
  { signal }: Context,
  image: ImageSource,
  work: () => Promise<Result>,
): Promise<Result> {
  const giveUp = () => void image.close();
  signal.addEventListener("abort", giveUp);
  try {
    return await work();
  } catch (error) {
    throw orInterruption(signal, error);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

function describe(report: Inspection): string {
  const head = ["layer", "record", "count", "bytes"];
  const rows = report.records.map(({ layer, name, count, bytes }) => [
    layer,
    name,
    formatCount(count),
    formatCount(bytes),
  ]);
  const types = Object.entries(report.page_entries_by_type).map(
    ([name, count]) => `${name} ${formatCount(count)}`,
  );
  const { distinct, entries } = report.frames;
  const lines = [
    renderTable(head, rows),
    "",
    `pages by type: ${types.join(", ")}`,
    `frames: ${formatCount(distinct)} named ${formatCount(entries)} times`,
  ];
  if (report.memory_sha256 !== undefined) {
    lines.push(`memory sha256: ${report.memory_sha256}`);
  }
  lines.push(...report.faults.map(({ message }) => `fault: ${message}`));
  if (report.error !== undefined) {
    lines.push(`reading ended early: ${report.error.message}`);
  }
  if (report.trailing_bytes > 0) {
    const trailing = JSON.stringify(report.trailing);
    lines.push(`after the end: ${report.trailing_bytes} octets: ${trailing}`);
  }
  return lines.join("\n");
}
