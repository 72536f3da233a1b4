import type { Command } from "commander";
import { type Finding, type VerifyResult, verifyStream } from "../../migration/verify-stream.ts";
import { formatBytes, formatCount } from "../../report/format.ts";
import type { ImageSource } from "../../transport/image-file.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import { interruptible, withImage } from "../image-work.ts";
import type { Registrar } from "../program.ts";

/** xenferry verify. */
export function registerImageCommands({ program, run }: Registrar): void {
  program
    .command("verify <file>")
    .description("check a saved image against the specifications ('-' is standard input)")
    .action((file: string, _options: object, command: Command) =>
      run(command, (context) => withImage(file, (image) => verify(context, file, image))),
    );
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
