import { type Command, Option } from "commander";
import { MigrationError } from "../../base/errors.ts";
import type { StreamEvent } from "../../codec/events.ts";
import type { Layer } from "../../codec/steps.ts";
import { type DigestComparison, verifyAgainstDigest } from "../../migration/memory-digest.ts";
import type { VerifyResult } from "../../migration/stream-verifier.ts";
import { StreamListing } from "../../migration/verify-listing.ts";
import { verifyStream } from "../../migration/verify-stream.ts";
import type { ImageSource } from "../../transport/image-file.ts";
import type { Context } from "../context.ts";
import { readDigestFile } from "../digest-file.ts";
import { digestLine, findingLines, verdictLine } from "../display/findings.ts";
import { EXIT } from "../exit.ts";
import { descriptorOrFile, interruptible, withImage } from "../image-work.ts";
import type { Registrar } from "../program.ts";
import { type ProgramLog, standardLog, systemLog } from "../program-log.ts";

/** Options of `verify`, which has those of Xen's verify-stream-v2 too. */
export interface VerifyFlags {
  readonly in?: string;
  readonly format?: Layer;
  readonly deep?: boolean;
  readonly digest?: string;
  readonly verbose?: boolean;
  readonly quiet?: boolean;
  readonly syslog?: boolean;
}

/** Adds the options to a command. */
export function addVerifyOptions(command: Command): Command {
  return command
    .option("-i, --in <file>", "the image, or the number of an open descriptor")
    .addOption(
      new Option("-f, --format <format>", "what the outermost header is, else it is told by it")
        .choices(["xl", "libxl", "libxc"])
        .argParser(formatOf),
    )
    .option("--deep", "look at every octet, not only at headers, lists of frames and state")
    .option("-v, --verbose", "summarise what is in it")
    .option("--syslog", "tell the system's log");
}

function formatOf(text: string): Layer {
  if (text === "xl" || text === "libxl" || text === "libxc") {
    return text;
  }
  throw new MigrationError("USAGE_ARGUMENT", { option: "--format", value: text });
}

/** xenferry verify. */
export function registerVerify({ program, run }: Registrar): void {
  const command = program
    .command("verify [file]")
    .description("say what xl restore would say of a saved image ('-' is standard input)");
  addVerifyOptions(command)
    .option("--digest <file>", "compare the memory with what 'xenferry digest' wrote (--deep)")
    .action((file: string | undefined, flags: VerifyFlags, self: Command) =>
      run(self, (context) => {
        const name = file ?? flags.in ?? "-";
        const input = file ?? descriptorOrFile(name);
        const all = { ...self.optsWithGlobals<VerifyFlags>(), ...flags };
        return withImage(input, (image) => verify(context, { name, image, flags: all }));
      }),
    );
}

async function verify(
  context: Context,
  { name, image, flags }: { name: string; image: ImageSource; flags: VerifyFlags },
): Promise<number> {
  const log = flags.syslog === true ? systemLog("xenferry") : standardLog;
  try {
    const isListing = flags.verbose === true && flags.quiet !== true && !context.isJson;
    const startMs = context.clock.nowMs();
    const result = await verifyImage(context, { image, flags, log: isListing ? log : undefined });
    const elapsedMs = context.clock.nowMs() - startMs;
    if (context.isJson) {
      context.result({ file: name, ...result, elapsedMs }, () => "");
    } else if (flags.quiet !== true) {
      const digest = result.digest === undefined ? [] : [digestLine(result.digest)];
      [...findingLines(result), verdictLine(name, result), ...digest].forEach(log.info);
    }
    return statusOf(result);
  } finally {
    await log.close();
  }
}

/**
 * Verifies an image as the options say.
 *
 * @param work.log told what is in it; `undefined` where that is not wanted.
 * @throws MigrationError TRANSPORT_*, ENGINE_*, DIGEST_*, MIGRATION_INTERRUPTED
 */
export async function verifyImage(
  context: Pick<Context, "engine" | "signal">,
  work: {
    readonly image: ImageSource;
    readonly flags: VerifyFlags;
    readonly log: ProgramLog | undefined;
  },
): Promise<VerifyResult & { readonly digest?: DigestComparison }> {
  const { image, flags, log } = work;
  const { engine } = context.engine();
  const listing = new StreamListing();
  const digest = flags.digest === undefined ? undefined : await readDigestFile(flags.digest);
  const options = {
    pageDataHead: engine,
    format: flags.format,
    signal: context.signal,
    onEvent: log && ((event: StreamEvent) => listing.linesOf(event).forEach(log.info)),
  };
  return await interruptible(context, image, () =>
    digest === undefined
      ? verifyStream(image, { ...options, deepBy: flags.deep === true ? engine : undefined })
      : verifyAgainstDigest(image, { ...options, deepBy: engine }, digest),
  );
}

/** 0: nothing worse than suspicious; 1: restore refuses it, or it violates a specification. */
export function statusOf({ summary }: VerifyResult): number {
  return summary.isAccepted ? EXIT.SUCCESS : EXIT.WORLD;
}
