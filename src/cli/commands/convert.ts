import { type Command, InvalidArgumentError, Option } from "commander";
import type { ByteSource } from "../../base/io.ts";
import { type ConvertOutcome, convertStream } from "../../migration/convert.ts";
import type { StreamVersion } from "../../migration/legacy.ts";
import { formatBytes, formatCount, formatMs, formatRate } from "../../report/format.ts";
import { openStreamFile } from "../../transport/exact-source.ts";
import { openImage } from "../../transport/image-file.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import { STANDARD, tellOfImage, writeImage } from "../image-output.ts";
import type { Registrar } from "../program.ts";
import { streamVersionOption } from "../stream-version.ts";

interface ConvertCliOptions {
  readonly format: "libxl" | "libxc";
  readonly width?: 32 | 64;
  readonly guest?: "pv" | "hvm";
  readonly skipQemu?: boolean;
  readonly streamVersion?: StreamVersion;
}

export function registerConvert({ program, run }: Registrar): void {
  program
    .command("convert <input> <output>")
    .description(
      "turn an image of Xen before 4.6, or one with libxc's version 2, into Migration v2 with " +
        "libxc's version 3 ('-' is standard input or output)",
    )
    .addOption(
      new Option("--format <format>", "of the result of a legacy stream: xl's header is kept")
        .choices(["libxl", "libxc"])
        .default("libxl"),
    )
    .addOption(
      new Option("--width <bits>", "of the toolstack that wrote a legacy stream; found out")
        .choices(["32", "64"])
        .argParser(parseWidth),
    )
    .addOption(new Option("--guest <type>", "of a legacy stream; found out").choices(["pv", "hvm"]))
    .addOption(streamVersionOption())
    .option("--skip-qemu", "with --format libxc: no device model's state follows")
    .action((input: string, output: string, options: ConvertCliOptions, command: Command) =>
      run(command, (context) => convert(context, { input, output }, options)),
    );
}

function parseWidth(text: string): 32 | 64 {
  if (text !== "32" && text !== "64") {
    throw new InvalidArgumentError("32 or 64.");
  }
  return text === "32" ? 32 : 64;
}

function openInput(input: string): Promise<ByteSource> {
  return input === STANDARD ? openImage(process.stdin) : openStreamFile(input);
}

interface Names {
  readonly input: string;
  readonly output: string;
}

async function convert(
  context: Context,
  names: Names,
  options: ConvertCliOptions,
): Promise<number> {
  const { engine } = context.engine();
  const startMs = context.clock.nowMs();
  const source = await openInput(names.input);
  try {
    const { format, width, guest, streamVersion, skipQemu } = options;
    const emulator = skipQemu === true && format === "libxc" ? "leave" : "read";
    const how = { format, width, guest, streamVersion, emulator } as const;
    const outcome = await writeImage(context, { source, output: names.output }, (writing) =>
      convertStream({ ...how, source, pageDataHead: engine, ...writing }),
    );
    const totalMs = context.clock.nowMs() - startMs;
    const result = { ...names, ...summaryOf(outcome, format), totalMs };
    tellOfImage(context, names.output, result, () => describe(outcome, totalMs));
    return EXIT.SUCCESS;
  } finally {
    await source.close();
  }
}

/** The outcome as programs read it. */
function summaryOf({ version, legacy, ...counts }: ConvertOutcome, format: "libxl" | "libxc") {
  if (legacy === undefined) {
    return { fromVersion: version, toVersion: 3, ...counts };
  }
  const { width, guest, checkpoints, isFromXend, discarded } = legacy;
  return {
    fromVersion: version,
    toVersion: 3,
    format,
    width,
    guest,
    checkpoints,
    isFromXend,
    ...(discarded && {
      discarded: { offset: discarded.offset, code: discarded.error.code },
    }),
    ...counts,
  };
}

function describe({ version, legacy, ...counts }: ConvertOutcome, totalMs: number): string {
  const { bytesRead, bytesWritten, pageEntries } = counts;
  const from =
    legacy === undefined
      ? `version ${version}`
      : `legacy ${legacy.guest.toUpperCase()}, ${legacy.width}-bit toolstack`;
  const size = `${formatBytes(bytesRead)} to ${formatBytes(bytesWritten)}`;
  const pace = formatRate((bytesRead * 1000) / Math.max(totalMs, 1));
  const lines = [
    `converted ${from}: ${formatCount(pageEntries)} page entries, ${size} in ` +
      `${formatMs(totalMs)} (${pace})`,
  ];
  if (version === 3) {
    lines.push("it was version 3 already: the result is a copy");
  }
  if (legacy !== undefined && legacy.checkpoints > 1) {
    lines.push(`the state is that of the last of ${legacy.checkpoints} complete checkpoints`);
  }
  if (legacy?.discarded !== undefined) {
    const { offset, error } = legacy.discarded;
    lines.push(`left out what follows the last complete checkpoint, from offset ${offset} on:`);
    lines.push(`  ${error.message}`);
  }
  return lines.join("\n");
}
