import { writeSync } from "node:fs";
import { Socket } from "node:net";
import { machineClock, systemClock } from "../base/clock.ts";
import { causesOf, tellError } from "../base/error-chain.ts";
import { MigrationError } from "../base/errors.ts";
import { parseHelperArguments } from "./arguments.ts";
import type { HelperBackend } from "./backend.ts";
import { LibxlChannel } from "./libxl-channel.ts";
import { reporterFor } from "./reporter.ts";
import { runHelper } from "./run.ts";

/** Ends the job and puts the guest back; a terminal sends the last two to all of xl's group. */
const ABORTING_SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/** What libxl has pipes for: its answers, and the messages to it. */
const LIBXL = { ANSWERS_FD: 0, MESSAGES_FD: 1, XL_STDERR_FD: 2 } as const;

/**
 * The save helper's process: reads its arguments and environment, talks with libxl over standard
 * input and output, does the job, and ends, with status 0 even where the job failed but libxl
 * was told.
 */
export async function runHelperProcess(openBackend: () => Promise<HelperBackend>): Promise<never> {
  try {
    await talkWithLibxl(openBackend);
    return process.exit(0);
  } catch (error) {
    const lines = causesOf(error).map((cause) => `xenferry-save-helper: ${tellError(cause)}\n`);
    writeSync(LIBXL.XL_STDERR_FD, lines.join(""));
    return process.exit(error instanceof MigrationError ? error.exitStatus : 2);
  }
}

async function talkWithLibxl(openBackend: () => Promise<HelperBackend>): Promise<void> {
  const aborted = new AbortController();
  for (const name of ABORTING_SIGNALS) {
    process.on(name, () => aborted.abort(new MigrationError("MIGRATION_INTERRUPTED")));
  }
  const args = parseHelperArguments(process.argv.slice(2));
  const channel = new LibxlChannel(
    { input: pipe(LIBXL.ANSWERS_FD, "input"), output: pipe(LIBXL.MESSAGES_FD, "output") },
    { callbackFlags: args.callbackFlags, clock: systemClock },
  );
  await runHelper({
    arguments: args,
    channel,
    reporter: reporterFor(process.env.XENFERRY_REPORT, LIBXL.XL_STDERR_FD, machineClock),
    environment: process.env,
    openBackend,
    signal: aborted.signal,
  });
}

/** @throws MigrationError HELPER_ARGUMENTS: this is no pipe, so libxl is not there. */
function pipe(fd: number, direction: "input" | "output"): Socket {
  try {
    return new Socket({ fd, readable: direction === "input", writable: direction === "output" });
  } catch (cause) {
    throw new MigrationError("HELPER_ARGUMENTS", { fd, expected: "a pipe" }, cause);
  }
}
