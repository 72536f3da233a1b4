import { Command } from "commander";
import { packageVersion } from "../base/version.ts";
import { registerBench } from "./commands/bench.ts";
import { registerConvert } from "./commands/convert.ts";
import { registerCpuid } from "./commands/cpuid.ts";
import { registerDemo } from "./commands/demo.ts";
import { registerDiff } from "./commands/diff.ts";
import { registerDigest } from "./commands/digest.ts";
import { registerDoctor } from "./commands/doctor.ts";
import { registerEngines } from "./commands/engines.ts";
import { registerExport } from "./commands/export.ts";
import { registerFarEnd } from "./commands/far-end.ts";
import { registerGuestCommands } from "./commands/guests.ts";
import { registerInspect } from "./commands/inspect.ts";
import { registerMigrate } from "./commands/migrate.ts";
import { registerPredict } from "./commands/predict.ts";
import { registerReceive } from "./commands/receive.ts";
import { registerReport } from "./commands/report.ts";
import { registerRestore } from "./commands/restore.ts";
import { registerRewrite } from "./commands/rewrite.ts";
import { registerSave } from "./commands/save.ts";
import { registerSimulate } from "./commands/simulate.ts";
import { registerTrace } from "./commands/trace.ts";
import { registerVerify } from "./commands/verify.ts";
import { type Context, createContext, type GlobalOptions } from "./context.ts";
import { EXIT } from "./exit.ts";

/** What a command's file gets to add itself to the program. */
export interface Registrar {
  readonly program: Command;
  /** Runs the work of `command` in its context and keeps the exit status. */
  run(command: Command, work: (context: Context) => Promise<number>): Promise<void>;
}

/** The command line of xenferry. */
export interface Program {
  /**
   * Parses `args` and runs the command they name.
   *
   * @returns the exit status.
   * @throws MigrationError; CommanderError for a wrong command line, after it was explained.
   */
  run(args: readonly string[]): Promise<number>;
}

/** @param signal aborted when the user interrupts. */
export function createProgram(signal: AbortSignal): Program {
  let status: number = EXIT.SUCCESS;
  const program = new Command("xenferry")
    .description("Live migration for Xen's Migration v2 streams")
    .version(packageVersion())
    .option("--engine <name>", "page engine: auto, native, wasm or reference")
    .option("--run-dir <folder>", "folder of the guest registry")
    .option("--json", "print results, and errors, as JSON")
    .option("-q, --quiet", "no progress and no notes")
    .showHelpAfterError()
    .exitOverride();
  const registrar: Registrar = {
    program,
    run: async (command, work) => {
      status = await work(createContext(command.optsWithGlobals<GlobalOptions>(), signal));
    },
  };
  registerDemo(registrar);
  registerGuestCommands(registrar);
  registerSave(registrar);
  registerRestore(registrar);
  registerMigrate(registrar);
  registerReceive(registrar);
  registerVerify(registrar);
  registerInspect(registrar);
  registerCpuid(registrar);
  registerConvert(registrar);
  registerDiff(registrar);
  registerDigest(registrar);
  registerExport(registrar);
  registerReport(registrar);
  registerTrace(registrar);
  registerBench(registrar);
  registerRewrite(registrar);
  registerSimulate(registrar);
  registerPredict(registrar);
  registerEngines(registrar);
  registerDoctor(registrar);
  registerFarEnd(registrar);
  return {
    run: async (args) => {
      await program.parseAsync([...args], { from: "user" });
      return status;
    },
  };
}
