import type { Command } from "commander";
import { type Inspected, type Inspection, withInspection } from "../../migration/inspect.ts";
import { type ListedField, listFields } from "../../migration/list-fields.ts";
import { printable } from "../../report/fields.ts";
import type { ImageSource } from "../../transport/image-file.ts";
import type { Context } from "../context.ts";
import { lookAtAddress, lookAtPage } from "../display/inspect/look.ts";
import { parseSections, renderSections, SECTION_NAMES } from "../display/inspect/sections.ts";
import { EXIT } from "../exit.ts";
import { interruptible, withImage } from "../image-work.ts";
import { parsePfn } from "../parse-pfn.ts";
import type { Registrar } from "../program.ts";

interface InspectFlags {
  readonly digest: boolean;
  readonly section?: string;
  readonly page?: number;
  readonly at?: string;
  readonly paging?: string;
  readonly paths?: string | true;
}

/** xenferry inspect. */
export function registerInspect({ program, run }: Registrar): void {
  program
    .command("inspect <file>")
    .description("say what is in a saved image ('-' is standard input)")
    .option(
      "--section <names>",
      `what to print, separated by commas: ${SECTION_NAMES.join(", ")}, all (--json prints all)`,
    )
    .option("--page <pfn>", "dump one page of the guest's memory", parsePfn)
    .option("--at <cr3:va>", "walk the guest's page tables; CR3 is a number, or 'vcpu0'")
    .option("--paging <mode>", "for --at: 32-bit, pae, 4-level or 5-level, where it is not known")
    .option("--paths [start]", "list what 'rewrite --set' can set, or what of it starts so")
    .option("--no-digest", "leave out the digest of the resulting memory, and duplicates")
    .action((file: string, flags: InspectFlags, command: Command) =>
      run(command, (context) =>
        withImage(file, (image) =>
          flags.paths === undefined
            ? inspect(context, image, flags)
            : list(context, image, flags.paths === true ? "" : flags.paths),
        ),
      ),
    );
}

async function inspect(context: Context, image: ImageSource, flags: InspectFlags): Promise<number> {
  const { engine, reasons } = context.engine();
  const sections = parseSections(flags.section);
  const isLook = flags.page !== undefined || flags.at !== undefined;
  const options = {
    pageDataHead: engine,
    engine,
    memoryDigest: isLook ? "keep-pages" : flags.digest ? "make" : "leave-out",
    signal: context.signal,
  } as const;
  const work = async (inspection: Inspection, inspected: Inspected) => {
    if (isLook) {
      await look(context, inspected, flags);
    } else {
      const { compression } = image;
      const full = { ...inspection, compression, engine: { name: engine.name, reasons } };
      context.result(full, () => renderSections(inspection, sections, context.width));
    }
    return inspection.error === undefined ? EXIT.SUCCESS : EXIT.WORLD;
  };
  return await interruptible(context, image, () => withInspection(image, options, work));
}

/** Lists fields as they are set. Of a file pages are not read. */
async function list(context: Context, image: ImageSource, start: string): Promise<number> {
  const { engine } = context.engine();
  const from = { source: image, pageDataHead: engine, signal: context.signal };
  const fields = await interruptible(context, image, async () => {
    const found: ListedField[] = [];
    for await (const field of listFields(from)) {
      if (field.path.startsWith(start)) {
        found.push(field);
      }
    }
    return found;
  });
  const paths = Object.fromEntries(fields.map(({ path, value }) => [path, value]));
  context.result({ paths }, () =>
    fields.map(({ path, value }) => printable(`${path}=${value}`)).join("\n"),
  );
  return EXIT.SUCCESS;
}

async function look(context: Context, inspected: Inspected, flags: InspectFlags): Promise<void> {
  if (flags.at !== undefined) {
    const { result, text } = await lookAtAddress(inspected, flags.at, flags.paging);
    context.result(result, text);
  }
  if (flags.page !== undefined) {
    const { result, text } = await lookAtPage(inspected, flags.page);
    context.result(result, text);
  }
}
