import { type Command, InvalidArgumentError, Option } from "commander";
import { MigrationError } from "../../base/errors.ts";
import {
  EXPORT_FORMATS,
  type ExportFormat,
  type ExportSummary,
  exportMemory,
} from "../../migration/export/export.ts";
import { formatBytes, formatCount, formatMs } from "../../report/format.ts";
import { descriptorSink } from "../../transport/descriptor-sink.ts";
import { openOutput } from "../../transport/file-sink.ts";
import type { ImageSource } from "../../transport/image-file.ts";
import { type AddressSpaceRoot, parsePagingMode, parseRoot } from "../address-space.ts";
import type { Context } from "../context.ts";
import { createWorkDisplay, NO_DISPLAY } from "../display/work.ts";
import { EXIT } from "../exit.ts";
import { interruptible, withImage } from "../image-work.ts";
import type { Registrar } from "../program.ts";

/** The name of standard output. */
const STANDARD = "-";
const STDOUT_FD = 1;

interface ExportFlags {
  readonly format: ExportFormat;
  readonly virtual?: true | AddressSpaceRoot;
  readonly paging?: string;
}

/** xenferry export. */
export function registerExport({ program, run }: Registrar): void {
  program
    .command("export <image> <output>")
    .description("write the memory in a saved image for other programs ('-' is a standard stream)")
    .addOption(
      new Option(
        "--format <format>",
        "elf: a core for gdb, crash and drgn; dump-core: as of xl dump-core; lime: LiME 1; " +
          "raw: page n at n times 4096, with holes",
      )
        .choices(EXPORT_FORMATS)
        .default("elf"),
    )
    .addOption(
      new Option(
        "--virtual [root]",
        "with elf: addresses are those of the page tables at CR3 (a number) or of a vCPU " +
          "(vcpu0 if not said), not physical ones",
      ).argParser(rootOf),
    )
    .option("--paging <mode>", "for --virtual: 32-bit, pae, 4-level or 5-level, if not known")
    .action((input: string, output: string, flags: ExportFlags, command: Command) =>
      run(command, (context) =>
        withImage(input, (image) => exportImage(context, { input, output, image }, flags)),
      ),
    );
}

function rootOf(text: string): AddressSpaceRoot {
  const root = parseRoot(text);
  if (root === undefined) {
    throw new InvalidArgumentError("a number for CR3 is wanted, or vcpu0, vcpu1 …");
  }
  return root;
}

interface Work {
  readonly input: string;
  readonly output: string;
  readonly image: ImageSource;
}

async function exportImage(
  context: Context,
  { input, output, image }: Work,
  flags: ExportFlags,
): Promise<number> {
  const { format, virtual, paging } = flags;
  if (virtual !== undefined && format !== "elf") {
    throw new MigrationError("USAGE_ARGUMENT", { option: "--virtual", expected: "--format elf" });
  }
  const root = virtual === true ? { vcpu: 0 } : virtual;
  const mode = paging === undefined ? undefined : parsePagingMode(paging);
  const isToStdout = output === STANDARD;
  const display = context.isQuiet ? NO_DISPLAY : createWorkDisplay(process.stderr);
  const startMs = context.clock.nowMs();
  try {
    const summary = await interruptible(context, image, () =>
      exportMemory(image, {
        pageDataHead: context.engine().engine,
        signal: context.signal,
        format,
        virtual: root && { root, mode },
        openSink: async () => (isToStdout ? descriptorSink(STDOUT_FD) : openOutput(output)),
        onProgress: () => display.update("reading", image.fileOffset, image.fileBytes ?? 0),
        onFrames: (done, frames) => display.update("writing", done, frames),
      }),
    );
    display.stop();
    const totalMs = context.clock.nowMs() - startMs;
    const result = { input, output, format, ...summary, totalMs };
    const text = () => describe(summary, format, totalMs);
    if (isToStdout) {
      context.note(context.isJson ? JSON.stringify(result) : text());
    } else {
      context.result(result, text);
    }
    return EXIT.SUCCESS;
  } finally {
    display.stop();
  }
}

function describe(summary: ExportSummary, format: ExportFormat, totalMs: number): string {
  const { frames, zeroFrames, ranges, vcpus, bytes, holeBytes, elf } = summary;
  const lines = [
    `exported ${formatCount(frames)} frames in ${formatCount(ranges)} ranges as ${format}, ` +
      `${formatCount(zeroFrames)} of zeros: ${formatBytes(bytes)}, ` +
      `${formatBytes(holeBytes)} of that holes, in ${formatMs(totalMs)}`,
  ];
  if (elf !== undefined) {
    const { elfClass, segments, hasVmcoreinfo, cr3, paging, mappedFrames } = elf;
    const info = hasVmcoreinfo ? ", the kernel's VMCOREINFO" : "";
    lines.push(`ELF${elfClass}: ${formatCount(segments)} segments, ${vcpus} vCPUs${info}`);
    if (cr3 !== undefined) {
      const mapped = formatCount(mappedFrames ?? 0);
      lines.push(`addresses are virtual: ${paging} page tables at ${cr3} map ${mapped} frames`);
    }
  }
  return lines.join("\n");
}
