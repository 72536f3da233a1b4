import { type Command, Option } from "commander";
import { MigrationError } from "../../base/errors.ts";
import {
  type DiffOptions,
  diffImages,
  diffPage,
  type ReadImages,
  withBothImages,
} from "../../migration/diff/diff.ts";
import type { ImageSource } from "../../transport/image-file.ts";
import type { Context } from "../context.ts";
import { renderDiff, renderPageDiff } from "../display/diff.ts";
import { createWorkDisplay, NO_DISPLAY, type WorkDisplay } from "../display/work.ts";
import { describeError } from "../exit.ts";
import { interruptible, withImage } from "../image-work.ts";
import { parsePfn } from "../parse-pfn.ts";
import type { Registrar } from "../program.ts";

/** As of diff(1) and cmp(1). */
const DIFF_EXIT = { EQUAL: 0, DIFFERENT: 1, TROUBLE: 2 } as const;

const STANDARD = "-";

/** What is left out unless said otherwise. */
const IGNORED_USUALLY = "clocks";

interface DiffFlags {
  readonly memoryOnly?: boolean;
  readonly memory: boolean;
  readonly ignore: string;
  readonly page?: number;
}

/** xenferry diff. */
export function registerDiff({ program, run }: Registrar): void {
  program
    .command("diff <a> <b>")
    .description("say how two saved guests differ (one may be '-', standard input)")
    .addOption(new Option("--memory-only", "compare memory alone").conflicts(["memory"]))
    .option("--no-memory", "compare everything but memory")
    .option(
      "--ignore <names>",
      "fields to leave out, separated by commas: clocks (what tells the time), none, or paths " +
        "as they are told, in which * is anything: hvm.LAPIC_REGS*",
      IGNORED_USUALLY,
    )
    .option("--page <pfn>", "the difference of one page of memory", parsePfn)
    .addHelpText(
      "after",
      "\nExit status: 0 equal, 1 different, 2 trouble; with -q nothing is said.",
    )
    .action((a: string, b: string, flags: DiffFlags, command: Command) =>
      run(command, (context) => diffOrTrouble(context, { a, b }, flags)),
    );
}

interface Names {
  readonly a: string;
  readonly b: string;
}

/** Any error is trouble here, whoever is at fault; interruptions stay what they are. */
async function diffOrTrouble(context: Context, names: Names, flags: DiffFlags): Promise<number> {
  try {
    return await diff(context, names, flags);
  } catch (error) {
    if (context.signal.aborted) {
      throw error;
    }
    process.stderr.write(`${describeError(error, context.isJson ? "json" : "text")}\n`);
    return DIFF_EXIT.TROUBLE;
  }
}

async function diff(context: Context, names: Names, flags: DiffFlags): Promise<number> {
  if (names.a === STANDARD && names.b === STANDARD) {
    throw new MigrationError("USAGE_ARGUMENT", { a: "-", b: "-", problem: "one can be read from" });
  }
  const display = context.isQuiet ? NO_DISPLAY : createWorkDisplay(process.stderr);
  try {
    return await withImage(names.a, (a) =>
      withImage(names.b, (b) => compare(context, { names, images: { a, b }, flags, display })),
    );
  } finally {
    display.stop();
  }
}

interface Work {
  readonly names: Names;
  readonly images: Readonly<Record<"a" | "b", ImageSource>>;
  readonly flags: DiffFlags;
  readonly display: WorkDisplay;
}

async function compare(context: Context, work: Work): Promise<number> {
  const { images, flags, display } = work;
  const options: DiffOptions = {
    pageDataHead: context.engine().engine,
    signal: context.signal,
    parts: flags.memoryOnly === true ? "memory" : flags.memory ? "all" : "state",
    ignore: flags.ignore.split(",").filter((name) => name !== "none" && name !== ""),
    onProgress: (what, done, of) => {
      if (what === "memory") {
        display.update("comparing", done, of);
      } else {
        const { fileOffset, fileBytes } = images[what];
        display.update(`reading ${what.toUpperCase()}`, fileOffset, fileBytes ?? 0);
      }
    },
  };
  const tell = (both: ReadImages) =>
    flags.page === undefined
      ? tellAll(context, work, both, options)
      : tellPage(context, work, both);
  return await interruptible(context, images.a, () =>
    interruptible(context, images.b, () => withBothImages(images, options, tell)),
  );
}

async function tellAll(
  context: Context,
  { names, display }: Work,
  both: ReadImages,
  options: DiffOptions,
): Promise<number> {
  const result = await diffImages(both, options);
  display.stop();
  if (!context.isQuiet || context.isJson) {
    context.result({ ...names, ...result }, () => renderDiff(result));
  }
  return result.isEqual ? DIFF_EXIT.EQUAL : DIFF_EXIT.DIFFERENT;
}

async function tellPage(context: Context, work: Work, both: ReadImages): Promise<number> {
  const { names, flags, display } = work;
  const result = await diffPage(both, flags.page ?? 0);
  display.stop();
  const hex = (page: Uint8Array | undefined) =>
    page === undefined ? null : Buffer.from(page).toString("hex");
  const side = (of: typeof result.a) =>
    of === undefined ? null : { page_type: of.pageType, content: hex(of.page) };
  const json = { files: names, ...result, a: side(result.a), b: side(result.b) };
  if (!context.isQuiet || context.isJson) {
    context.result(json, () => renderPageDiff(result));
  }
  return result.isEqual ? DIFF_EXIT.EQUAL : DIFF_EXIT.DIFFERENT;
}
