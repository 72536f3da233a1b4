import type { Command } from "commander";
import { MigrationError } from "../../base/errors.ts";
import { attachGuest } from "../../guest/open.ts";
import { type AfterSave, saveGuest } from "../../migration/save.ts";
import { formatBytes } from "../../report/format.ts";
import { renderProfile } from "../../report/render.ts";
import type { FileAccess } from "../../transport/pump-addon.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import { fileAccessOption } from "../file-access.ts";
import type { Registrar } from "../program.ts";
import { addTransferOptions, type TransferCliOptions } from "../transfer-options.ts";
import { runTransfer } from "../transfer-run.ts";

interface SaveOptions extends TransferCliOptions {
  readonly continue?: boolean;
  readonly paused?: boolean;
  readonly alignPages?: boolean;
  readonly fileAccess: FileAccess;
}

export function registerSave({ program, run }: Registrar): void {
  addTransferOptions(
    program
      .command("save <guest> <file>")
      .description("save a guest to a file; it ends here unless -c or -p is given")
      .option("-c, --continue", "let the guest run on")
      .option("-p, --paused", "leave the guest paused")
      .option("--align-pages", "start page data at multiples of 4096 in the file, for direct I/O")
      .addOption(fileAccessOption("aligned pages are written")),
  ).action((name: string, file: string, options: SaveOptions, command: Command) =>
    run(command, (context) => save(context, { name, file }, options)),
  );
}

async function save(
  context: Context,
  { name, file }: { readonly name: string; readonly file: string },
  options: SaveOptions,
): Promise<number> {
  const after = afterSave(options);
  const pages = filePages(options);
  const guest = await attachGuest(name, { runDir: context.runDir });
  try {
    const profile = await runTransfer(
      context,
      {
        operation: "save",
        guest,
        target: file,
        options,
        file: pages,
      },
      (transfer) => saveGuest({ ...transfer, file, after }),
    );
    const saved = `saved ${formatBytes(profile.totalBytes)} to ${file}`;
    context.result(profile, () => `${renderProfile(profile)}\n${saved}`);
    return EXIT.SUCCESS;
  } finally {
    await guest.cleanup();
  }
}

/** How pages lie in the file and come there. */
function filePages({ alignPages, fileAccess }: SaveOptions) {
  if (alignPages !== true && fileAccess !== "auto") {
    throw new MigrationError("USAGE_ARGUMENT", { needs: "--align-pages with --file-access" });
  }
  return { alignsPages: alignPages === true, fileAccess };
}

function afterSave(options: SaveOptions): AfterSave {
  if (options.continue === true && options.paused === true) {
    throw new MigrationError("USAGE_ARGUMENT", { needs: "-c or -p, not both" });
  }
  if (options.continue === true) {
    return "continue";
  }
  return options.paused === true ? "pause" : "destroy";
}
