#!/usr/bin/env node
import { CommanderError } from "commander";
import { describeError, EXIT, exitStatusOf } from "./exit.ts";
import { createProgram } from "./program.ts";

/** Exit status after Ctrl-C and after SIGTERM: 128 and the signal's number, as in a shell. */
const SIGNAL_EXIT = { SIGINT: 130, SIGTERM: 143 } as const;

async function main(): Promise<number> {
  const interrupted = new AbortController();
  let interruptedBy: keyof typeof SIGNAL_EXIT | undefined;
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      interruptedBy ??= name;
      interrupted.abort();
    });
  }
  const isJson = process.argv.includes("--json");
  try {
    const status = await createProgram(interrupted.signal).run(process.argv.slice(2));
    return status;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? EXIT.SUCCESS : EXIT.USAGE;
    }
    process.stderr.write(`${describeError(error, isJson ? "json" : "text")}\n`);
    return interruptedBy === undefined ? exitStatusOf(error) : SIGNAL_EXIT[interruptedBy];
  }
}

process.exitCode = await main();
