import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import { MigrationError } from "../../base/errors.ts";
import { BATCH_PAGES_MAX } from "../../base/units.ts";
import { isOptionalRecord, RECORD_BYTES_MAX } from "../../format/libxc.ts";
import type { FieldEdit } from "../../migration/fields.ts";
import { tryEdits } from "../../migration/list-fields.ts";
import {
  type RewriteChanges,
  type RewriteOutcome,
  rewriteStream,
} from "../../migration/rewrite.ts";
import type { AddedRecord } from "../../migration/rewrite-records.ts";
import { printable } from "../../report/fields.ts";
import { formatBytes, formatCount, formatMs, formatRate } from "../../report/format.ts";
import { openImage } from "../../transport/image-file.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import { STANDARD, tellOfImage, writeImage } from "../image-output.ts";
import { interruptible } from "../image-work.ts";
import type { Registrar } from "../program.ts";

interface RewriteFlags {
  readonly set: readonly FieldEdit[];
  readonly addOptional: readonly string[];
  readonly zeroPages: "elide" | "keep";
  readonly alignPages?: boolean;
  readonly batch?: number;
  readonly fold?: boolean;
  readonly optional: "drop" | "keep";
  readonly upgrade?: boolean;
  readonly force?: boolean;
}

const HELP = `
Without options the result is the same octets. Whatever is written 'verify --deep' accepts, else
nothing is: --force has it written all the same. The guest's memory stays what it was.

  --set           'xenferry inspect --paths IMAGE' lists the paths, with what they hold. Numbers
                  are decimal or 0x...; octets hexadecimal; what is set in the configuration stays
                  of its kind, objects and arrays are JSON. All else keeps its octets.
  --zero-pages elide
                  A page of zeros goes as XALLOC, without data, unless something else was sent for
                  its frame before. xl restore gives the guest a page of the host's then, and it is
                  up to Xen that this is cleared, as it is unless it was told not to.
  --batch         HVM guests keep their superpages where 512 frames lie in one record: take 512 or
                  more. Xen itself writes 1024.
  --align-pages   Before each PAGE_DATA goes a record that every reader skips but Xen's
                  verify-stream-v2, and behind the configuration go spaces. In a file, pages of
                  zeros are holes. Other changes to an aligned image undo it: ask for it again.
  --fold          A live stream becomes what a save would have been: each frame once, nothing sent
                  to be compared, of checkpoints (Remus) the last whole one, no hand-shake after.
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
    .option(
      "--add-optional <type=file>",
      "a record that readers ignore, from 0x80000000 on",
      collect,
      [],
    )
    .option("--set <path=value>", "a field of the image, also several times", collectEdit, [])
    .option("--force", "write it even if verify does not accept it")
    .addHelpText("after", HELP)
    .action((input: string, output: string, flags: RewriteFlags, command: Command) =>
      run(command, (context) => rewrite(context, { input, output }, flags)),
    );
}

function collect(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

function collectEdit(text: string, before: readonly FieldEdit[]): readonly FieldEdit[] {
  const at = text.indexOf("=");
  if (at < 1) {
    throw new InvalidArgumentError("PATH=VALUE is wanted, such as params.STORE_PFN=0xfeffc.");
  }
  return [...before, { path: text.slice(0, at), value: text.slice(at + 1) }];
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
    const changes = { ...changesOf(flags), addedRecords: await readAdded(flags.addOptional) };
    await (source.randomAccess && tryFirst(context, names.input, flags.set));
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

/** Of a file all that is wrong with what is to be set is told before anything is written. */
async function tryFirst(
  context: Context,
  input: string,
  edits: readonly FieldEdit[],
): Promise<void> {
  if (edits.length === 0) {
    return;
  }
  const source = await openImage(input);
  try {
    const { engine } = context.engine();
    const from = { source, pageDataHead: engine, signal: context.signal };
    await interruptible(context, source, () => tryEdits(from, edits));
  } finally {
    await source.close();
  }
}

/** @throws MigrationError USAGE_ARGUMENT, TRANSPORT_OPEN */
async function readAdded(texts: readonly string[]): Promise<readonly AddedRecord[]> {
  const records = texts.map(async (text) => {
    const [, type, file] = /^(0x[0-9a-f]{1,8}|\d{1,10})=(.+)$/i.exec(text) ?? [];
    const number = Number(type);
    if (file === undefined || number > 0xffff_ffff || !isOptionalRecord(number)) {
      const needs = "TYPE=FILE, with a type from 0x80000000 to 0xffffffff";
      throw new MigrationError("USAGE_ARGUMENT", { option: "--add-optional", value: text, needs });
    }
    const body = await readBody(file);
    if (body.length > RECORD_BYTES_MAX) {
      const bodyBytesMax = RECORD_BYTES_MAX;
      throw new MigrationError("USAGE_ARGUMENT", { file, bodyBytes: body.length, bodyBytesMax });
    }
    return { type: number, body };
  });
  return await Promise.all(records);
}

/** @throws MigrationError TRANSPORT_OPEN */
async function readBody(file: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(file));
  } catch (error) {
    throw new MigrationError("TRANSPORT_OPEN", { path: file }, error);
  }
}

function changesOf(flags: RewriteFlags): RewriteChanges {
  return {
    fields: flags.set,
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
  for (const { path, before, after } of outcome.fields) {
    lines.push(`${path}: ${printable(String(before))} to ${printable(String(after))}`);
  }
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
