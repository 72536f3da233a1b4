import type { Command } from "commander";
import { type InspectReport, inspectStream } from "../../migration/inspect.ts";
import { type Finding, type VerifyReport, verifyStream } from "../../migration/verify-stream.ts";
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
  const report = await verifyStream(image, engine, { signal: context.signal });
  context.result({ file, ...report }, () => verdict(file, report));
  return report.isAccepted ? EXIT.SUCCESS : EXIT.WORLD;
}

function verdict(file: string, report: VerifyReport): string {
  const lines = report.findings.map(findingLine);
  if (report.findingsOmitted > 0) {
    lines.push(`and ${formatCount(report.findingsOmitted)} more findings`);
  }
  if (report.isHandoverTrailing) {
    lines.push(`after the end: ${report.trailingBytes} octets, xl's permission to go`);
  }
  const entries = `${formatCount(report.pageEntries)} page entries`;
  const size = `${formatCount(report.records)} records, ${entries}`;
  const word = report.isAccepted ? "accepted" : "NOT accepted";
  lines.push(`${file}: ${word}: ${size}, ${formatBytes(report.bytes)}`);
  return lines.join("\n");
}

function findingLine({ severity, code, sentence, where }: Finding): string {
  const facts = Object.entries(where)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} ${value}`);
  return `${severity}: ${sentence} (${facts.join(", ")}) [${code}]`;
}

async function inspect(
  context: Context,
  image: ImageSource,
  options: { readonly digest: boolean },
): Promise<number> {
  const selected = context.engine();
  const report = await inspectStream(image, selected.engine, {
    withDigest: options.digest,
    signal: context.signal,
  });
  const engine = { name: selected.engine.name, reasons: selected.reasons };
  context.result({ ...report, compression: image.compression, engine }, () => describe(report));
  return EXIT.SUCCESS;
}

function describe(report: InspectReport): string {
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
  const { frames } = report;
  const lines = [
    renderTable(head, rows),
    "",
    `pages by type: ${types.join(", ")}`,
    `frames: ${formatCount(frames.distinct)} named ${formatCount(frames.entries)} times`,
  ];
  if (report.memory_sha256 !== undefined) {
    lines.push(`memory sha256: ${report.memory_sha256}`);
  }
  lines.push(...report.faults.map((fault) => `fault: ${fault}`));
  if (report.trailing_bytes > 0) {
    lines.push(
      `after the end: ${report.trailing_bytes} octets: ${JSON.stringify(report.trailing)}`,
    );
  }
  return lines.join("\n");
}
