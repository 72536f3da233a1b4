import type { Command } from "commander";
import { type Inspection, inspectStream } from "../../migration/inspect.ts";
import { formatCount } from "../../report/format.ts";
import { renderTable } from "../../report/render.ts";
import type { ImageSource } from "../../transport/image-file.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import { interruptible, withImage } from "../image-work.ts";
import type { Registrar } from "../program.ts";

/** xenferry inspect. */
export function registerInspect({ program, run }: Registrar): void {
  program
    .command("inspect <file>")
    .description("say what is in a saved image ('-' is standard input)")
    .option("--no-digest", "leave out the digest of the resulting memory")
    .action((file: string, options: { readonly digest: boolean }, command: Command) =>
      run(command, (context) => withImage(file, (image) => inspect(context, image, options))),
    );
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
