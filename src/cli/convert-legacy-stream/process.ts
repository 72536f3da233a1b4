import { causesOf, tellError } from "../../base/error-chain.ts";
import { MigrationError } from "../../base/errors.ts";
import type { ByteSink, ByteSource } from "../../base/io.ts";
import { selectEngine } from "../../engine/select.ts";
import { CONVERTED_XEN } from "../../format/legacy.ts";
import { convertStream } from "../../migration/convert.ts";
import { descriptorSink } from "../../transport/descriptor-sink.ts";
import { descriptorInput, openStreamFile } from "../../transport/exact-source.ts";
import { openOutput } from "../../transport/file-sink.ts";
import { EXIT } from "../exit.ts";
import { type ProgramLog, standardLog, systemLog } from "../program-log.ts";
import { LEGACY_HELP, type LegacyArguments, parseLegacyArguments } from "./arguments.ts";
import { describeLegacyEvent } from "./describe.ts";

/** The program's name in the system's log, as Xen's has it. */
const NAME = "convert-legacy-stream";

/**
 * Set to `auto`, it has the width be what the stream says. libxl gives its own, which is a guess.
 */
const WIDTH_VARIABLE = "XENFERRY_LEGACY_WIDTH";

/** End the work, leaving nothing half-written; libxl sends the first. */
const ENDING_SIGNALS = { SIGTERM: 143, SIGINT: 130, SIGHUP: 129 } as const;

/**
 * Does what Xen's convert-legacy-stream does, for libxl (LIBXL_CONVERT_HELPER) and for people.
 *
 * @returns the exit status: 0; 1 for a stream or machine at fault, and for missing options; 2 for
 *   wrong ones, and for a fault of ours; after a signal 128 and its number.
 */
export async function runLegacyProcess(args: readonly string[]): Promise<number> {
  try {
    const request = parseLegacyArguments(args);
    switch (request) {
      case "help":
        process.stdout.write(LEGACY_HELP);
        return EXIT.SUCCESS;
      case "version":
        process.stdout.write(`${CONVERTED_XEN.minor}\n`);
        return EXIT.SUCCESS;
      case "incomplete":
        process.stderr.write(LEGACY_HELP);
        return EXIT.WORLD;
      default:
        return await convertAndTell(request);
    }
  } catch (error) {
    standardLog.error(messageOf(error));
    return statusOf(error);
  }
}

async function convertAndTell(request: LegacyArguments): Promise<number> {
  const log = request.logsToSyslog ? systemLog(NAME) : standardLog;
  const ending = new AbortController();
  let status: number | undefined;
  for (const [name, signalStatus] of Object.entries(ENDING_SIGNALS)) {
    process.on(name, () => {
      status ??= signalStatus;
      ending.abort();
    });
  }
  try {
    await convert(request, log, ending.signal);
    return EXIT.SUCCESS;
  } catch (error) {
    log.error(messageOf(error));
    return status ?? statusOf(error);
  } finally {
    await log.close();
  }
}

async function convert(
  request: LegacyArguments,
  log: ProgramLog,
  signal: AbortSignal,
): Promise<void> {
  const source = await openInput(request.in);
  const giveUp = () => void source.close();
  signal.addEventListener("abort", giveUp);
  try {
    const sink = await openSink(request.out);
    try {
      await convertFromTo(request, { source, sink, log, signal });
      await sink.end();
    } catch (error) {
      await sink.abort();
      throw error;
    }
  } finally {
    await source.close();
  }
}

async function convertFromTo(
  request: LegacyArguments,
  parts: {
    readonly source: ByteSource;
    readonly sink: ByteSink;
    readonly log: ProgramLog;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { format, guest } = request;
  const { source, sink, log, signal } = parts;
  await convertStream({
    source,
    sink,
    signal,
    format,
    width: process.env[WIDTH_VARIABLE] === "auto" ? undefined : request.width,
    guest,
    pageDataHead: selectEngine("auto").engine,
    streamVersion: 1,
    emulator: request.skipsQemu && format === "libxc" ? "leave" : "read",
    xlHeader: request.hasXlHeader ? "with" : "without",
    onEvent: (event) => {
      if (request.isVerbose || event.kind === "discarded") {
        describeLegacyEvent(event).forEach(log.info);
      }
    },
  });
}

/** A number is a descriptor, as for Xen's program. */
function descriptorOf(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

async function openInput(text: string): Promise<ByteSource> {
  const fd = descriptorOf(text);
  return fd === undefined ? openStreamFile(text) : descriptorInput(fd);
}

async function openSink(text: string): Promise<ByteSink> {
  const fd = descriptorOf(text);
  return fd === undefined ? openOutput(text) : descriptorSink(fd);
}

function messageOf(error: unknown): string {
  return causesOf(error)
    .map(
      (entry, depth) =>
        `${depth === 0 ? "convert-legacy-stream: " : "  because: "}${tellError(entry)}`,
    )
    .join("\n");
}

function statusOf(error: unknown): number {
  return error instanceof MigrationError ? error.exitStatus : EXIT.USAGE;
}
