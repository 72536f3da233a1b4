import { constants } from "node:os";
import { setImmediate } from "node:timers/promises";
import { causesOf, tellError } from "../base/error-chain.ts";
import { MigrationError } from "../base/errors.ts";
import { orInterruption } from "../migration/interruption.ts";
import type { HelperArguments } from "./arguments.ts";
import type { HelperBackend } from "./backend.ts";
import type { LibxlChannel, RestoreResults } from "./libxl-channel.ts";
import type { HelperReporter } from "./reporter.ts";
import { type HelperSettings, loadSettings } from "./settings.ts";

/** What a run of the helper works with. */
export interface HelperParts {
  readonly arguments: HelperArguments;
  readonly channel: LibxlChannel;
  /** Told when the work begins and ends, and handed to the backend. */
  readonly reporter: HelperReporter;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly openBackend: () => Promise<HelperBackend>;
  /** Aborted when libxl wants the job given up: SIGTERM. */
  readonly signal: AbortSignal;
}

/** The helper's name in libxl's log. */
const CONTEXT = "xenferry";

const NO_RESULTS: RestoreResults = { storeGfn: 0n, consoleGfn: 0n };

/**
 * Does what libxl started this process for, and tells libxl how it ended: a failure, too, is told,
 * and does not throw.
 *
 * @throws MigrationError HELPER_LIBXL_GONE, HELPER_ANSWER: there is nobody to tell; the guest was
 *   put back.
 * @source libxl_save_helper.c, `main` and `complete`
 */
export async function runHelper(parts: HelperParts): Promise<void> {
  const { arguments: args, channel, reporter } = parts;
  const { operation, domid } = args;
  channel.log({ level: "debug", context: CONTEXT, text: `starting ${operation}` });
  reporter.started({ operation, domid, pid: process.pid });
  const failure = await attempt(parts);
  reporter.ended(failure);
  if (failure === undefined) {
    channel.log({ level: "debug", context: CONTEXT, text: "complete" });
    await channel.complete({ returnValue: 0, errno: 0 });
  } else {
    await tellFailure(parts, failure.error);
  }
}

/** Does the job; returns what it failed with. */
async function attempt(parts: HelperParts): Promise<{ readonly error: unknown } | undefined> {
  const { channel } = parts;
  const signal = AbortSignal.any([parts.signal, channel.lost]);
  try {
    const settings = await loadSettings(parts.environment);
    const backend = await parts.openBackend();
    signal.throwIfAborted();
    await work(parts, { backend, settings, signal });
    return undefined;
  } catch (error) {
    // Of what arrives at once Node sees signals last: one may be why libxl's answer was no.
    await setImmediate();
    return { error: orInterruption(parts.signal, error) };
  }
}

interface Means {
  readonly backend: HelperBackend;
  readonly settings: HelperSettings;
  readonly signal: AbortSignal;
}

async function work(parts: HelperParts, { backend, settings, signal }: Means): Promise<void> {
  const { arguments: args, channel, reporter } = parts;
  const { callbackFlags: _, ...jobArguments } = args;
  if (jobArguments.operation === "save") {
    await backend.save({ ...jobArguments, channel, reporter, settings, signal });
  } else {
    const job = { ...jobArguments, channel, reporter, settings, signal };
    const results = await backend.restore(job);
    channel.restoreResults(results);
  }
}

/** Restore's results come in any case: libxl waits for them. */
async function tellFailure(
  { arguments: args, channel }: HelperParts,
  told: unknown,
): Promise<void> {
  const errno = errnoOf(told);
  causesOf(told).forEach((cause, depth) => {
    const text = `${depth === 0 ? "" : "because: "}${tellError(cause)}`;
    channel.log({ level: "error", context: CONTEXT, text, ...(depth === 0 && { errno }) });
  });
  if (args.operation === "restore" && channel.offers("restore_results")) {
    channel.restoreResults(NO_RESULTS);
  }
  await channel.complete({ returnValue: -1, errno });
}

/** The system's error number that tells libxl best what `error` is about. */
function errnoOf(error: unknown): number {
  if (error instanceof MigrationError && error.code === "MIGRATION_INTERRUPTED") {
    return constants.errno.EINTR;
  }
  const found = causesOf(error)
    .map(systemErrno)
    .find((errno) => errno !== undefined);
  return found ?? (isUsage(error) ? constants.errno.EINVAL : constants.errno.EIO);
}

/** Node's are negative. */
function systemErrno(error: unknown): number | undefined {
  const errno = error instanceof MigrationError ? error.where.errno : numberIn(error);
  return typeof errno === "number" && errno !== 0 ? Math.abs(errno) : undefined;
}

function numberIn(error: unknown): unknown {
  return error instanceof Error && "errno" in error ? error.errno : undefined;
}

function isUsage(error: unknown): boolean {
  return error instanceof MigrationError && error.exitStatus === 2;
}
