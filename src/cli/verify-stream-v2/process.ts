import { Command, CommanderError } from "commander";
import { selectEngine } from "../../engine/select.ts";
import { addVerifyOptions, statusOf, type VerifyFlags, verifyImage } from "../commands/verify.ts";
import { findingLine } from "../display/findings.ts";
import { describeError, EXIT, exitStatusOf, jsonSafe } from "../exit.ts";
import { descriptorOrFile, withImage } from "../image-work.ts";
import { type ProgramLog, standardLog, systemLog } from "../program-log.ts";

/** As Xen's program is called, and calls itself in the system's log. */
const NAME = "verify-stream-v2";

/** Xen's program has standard input and libxc's stream unless told otherwise. */
const DEFAULTS = { in: "0", format: "libxc" } as const;

/**
 * Stands in for Xen's verify-stream-v2: its options, its lines with `-v`, its exit status.
 *
 * @returns 0; 1 where restore refuses the stream or it violates a specification; 2 for a wrong
 *   command line or a fault of ours.
 */
export async function runVerifyProcess(args: readonly string[]): Promise<number> {
  const command = addVerifyOptions(new Command(NAME))
    .description("Verifies a stream of Xen's migration version 2 or later")
    .option("-q, --quiet", "tell nothing")
    .option("--json", "print the findings as JSON")
    .exitOverride();
  try {
    command.parse([...args], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) {
      return EXIT.SUCCESS;
    }
    if (!(error instanceof CommanderError)) {
      standardLog.error(describeError(error, "text"));
    }
    return EXIT.USAGE;
  }
  const flags = { ...DEFAULTS, ...command.opts<VerifyFlags & { readonly json?: boolean }>() };
  const log = flags.syslog === true ? systemLog(NAME) : standardLog;
  try {
    return await verifyAndTell(flags, log);
  } catch (error) {
    if (flags.quiet !== true) {
      log.error(describeError(error, "text"));
    }
    return exitStatusOf(error);
  } finally {
    await log.close();
  }
}

async function verifyAndTell(
  flags: VerifyFlags & { readonly in: string; readonly json?: boolean },
  log: ProgramLog,
): Promise<number> {
  const interrupted = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => interrupted.abort());
  }
  const context = { engine: () => selectEngine("auto"), signal: interrupted.signal };
  const isTelling = flags.quiet !== true && flags.json !== true;
  const listing = isTelling && flags.verbose === true ? log : undefined;
  return await withImage(descriptorOrFile(flags.in), async (image) => {
    const result = await verifyImage(context, { image, flags, log: listing });
    for (const finding of isTelling ? result.findings : []) {
      if (finding.severity === "suspicious") {
        listing?.info(`Warning: ${findingLine(finding)}`);
      } else {
        log.error(findingLine(finding));
      }
    }
    if (flags.json === true) {
      process.stdout.write(`${JSON.stringify({ file: flags.in, ...result }, jsonSafe, 2)}\n`);
    }
    return statusOf(result);
  });
}
