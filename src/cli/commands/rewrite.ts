import { type Command, InvalidArgumentError, Option } from "commander";
import { BATCH_PAGES_MAX } from "../../base/units.ts";
import {
  type RewriteChanges,
  type RewriteOutcome,
  rewriteStream,
} from "../../migration/rewrite.ts";
import { formatBytes, formatCount, formatMs, formatRate } from "../../report/format.ts";
import { openImage } from "../../transport/image-file.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import { STANDARD, tellOfImage, writeImage } from "../image-output.ts";
import type { Registrar } from "../program.ts";

interface RewriteFlags {
  readonly zeroPages: "elide" | "keep";
  readonly alignPages?: boolean;
  readonly batch?: number;
  readonly fold?: boolean;
  readonly optional: "drop" | "keep";
  readonly upgrade?: boolean;
  readonly force?: boolean;
}

const HELP = `
Without options the result is the same octets. Whatever is written, 'verify --deep' accepts, else
nothing is: --force has it written all the same. The guest's memory stays what it was.

  --zero-pages elide   A page of zeros goes as XALLOC, without data, unless something else was sent
                       for its frame before. xl restore then gives the guest a page of the host's,
                       and it is up to Xen that this is cleared, as it is unless it was told not to.
  --batch              HVM guests keep their superpages where 512 frames lie in one record: not below
                       512. Xen itself writes 1024.
  --align-pages        A record goes before each PAGE_DATA that all readers skip but Xen's
                       verify-stream-v2, and spaces behind the configuration. In a file, pages of
                       zeros are holes. Other changes to an aligned image undo it: give it again.
  --fold               A live stream becomes what a save would have been: each frame once, nothing
                       sent to be compared, of checkpoints (Remus) the last whole one, no hand-shake.
`;

/** xenferry rewrite. */
export function registerRewrite({ program, run }: Registrar): void {
  program
    .command("rewrite <input> <output>")
    .description("write the same guest as an image with other properties ('-' as in convert)")
    .addOption(
      new Option("--zero-pages <what>", "pages of zeros: kept, or sent without data where possible")
        .choices(["elide", "keep"])
        .default("keep"),
    )
    .option("--align-pages", "start page data at multiples of 4096 in the file")
    .option("--batch <pages>", "pages of a PAGE_DATA record, 1 to 1024", parseBatch)
    .option("--fold", "only the last version of each page: a live stream becomes a saved image")
    .addOption(
      new Option("--optional <what>", "records that a reader may ignore")
        .choices(["drop", "keep"])
        .default("keep"),
    )
    .option("--upgrade", "turn libxc's version 2 into version 3")
    .option("--force", "write it even if verify does not accept it")
    .addHelpText("after", HELP)
    .action((input: string, output: string, flags: RewriteFlags, command: Command) =>
      run(command, (context) => rewrite(context, { input, output }, flags)),
    );
}

function parseBatch(text: string): number {
  const pages = Number(text);
  if (!/^\d+$/.test(text) || pages < 1 || pages > BATCH_PAGES_MAX) {
    throw new InvalidArgumentError(`a number from 1 to ${BATCH_PAGES_MAX} is wanted.`);
  }
  return pages;
}

async function rewrite(
  context: Context,
  names: { readonly input: string; readonly output: string },
  flags: RewriteFlags,
): Promise<number> {
  const { engine } = context.engine();
  const startMs = context.clock.nowMs();
  const source = await openImage(names.input === STANDARD ? process.stdin : names.input);
  try {
    const changes = changesOf(flags);
    const writes = flags.force === true ? "all" : "accepted";
    const outcome = await writeImage(context, { source, output: names.output }, (writing) =>
      rewriteStream({ source, engine, changes, writes, ...writing }),
    );
    const totalMs = context.clock.nowMs() - startMs;
    const result = { ...names, ...summaryOf(outcome), totalMs };
    tellOfImage(context, names.output, result, () => describe(outcome, totalMs));
    return EXIT.SUCCESS;
  } finally {
    await source.close();
  }
}

function changesOf(flags: RewriteFlags): RewriteChanges {
  return {
    zeroPages: flags.zeroPages === "elide" ? "elide" : undefined,
    layout: flags.alignPages === true ? "aligned" : undefined,
    batchPages: flags.batch,
    memory: flags.fold === true ? "fold" : undefined,
    optionalRecords: flags.optional === "drop" ? "drop" : undefined,
    version: flags.upgrade === true ? "upgrade" : undefined,
  };
}

/** The outcome as programs read it. */
function summaryOf({ verified, discarded, ...counts }: RewriteOutcome) {
  return {
    ...counts,
    ...(discarded && { discarded: { offset: discarded.where.offset, code: discarded.code } }),
    verified: verified.summary,
    findings: verified.findings,
  };
}

function describe(outcome: RewriteOutcome, totalMs: number): string {
  const { bytesRead, bytesWritten, pageEntriesRead, pageEntriesWritten, discarded } = outcome;
  const size = `${formatBytes(bytesRead)} to ${formatBytes(bytesWritten)}`;
  const entries = `${formatCount(pageEntriesRead)} to ${formatCount(pageEntriesWritten)}`;
  const pace = formatRate((bytesRead * 1000) / Math.max(totalMs, 1));
  const lines = [`rewrote ${size}, ${entries} page entries, in ${formatMs(totalMs)} (${pace})`];
  if (discarded !== undefined) {
    lines.push("left out what follows the last whole checkpoint:", `  ${discarded.message}`);
  }
  const { summary } = outcome.verified;
  lines.push(
    summary.isAccepted ? "verify accepts it" : "verify does not accept it, and it was written",
    `digest of memory ${summary.memoryDigest ?? "none: it has no end"}`,
  );
  return lines.join("\n");
}
