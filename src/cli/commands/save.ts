import type { Command } from "commander";
import { MigrationError } from "../../base/errors.ts";
import { attachGuest } from "../../guest/open.ts";
import { type AfterSave, saveGuest } from "../../migration/save.ts";
import { formatBytes, formatMs } from "../../report/format.ts";
import { renderProfile } from "../../report/render.ts";
import type { FileAccess } from "../../transport/pump-addon.ts";
import { saveByXl } from "../../xl/save.ts";
import { type ChosenGuest, chooseGuest, GUEST_HELP } from "../choose-guest.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import { fileAccessOption } from "../file-access.ts";
import { addOnlookerOptions, type OnlookerOptions, observed } from "../onlookers/open.ts";
import type { Registrar } from "../program.ts";
import { addTransferOptions, type TransferCliOptions } from "../transfer-options.ts";
import { runTransfer } from "../transfer-run.ts";
import { askedSettings, refuseOptions } from "../xen-options.ts";
import { runUnderXl } from "../xl-run.ts";

interface SaveOptions extends TransferCliOptions, OnlookerOptions {
  readonly continue?: boolean;
  readonly paused?: boolean;
  readonly alignPages?: boolean;
  readonly fileAccess: FileAccess;
}

const XEN_HELP = `

A domain of Xen is suspended and then saved, by 'xl save' with our save helper; of the options above
those on iterations and the file's layout are not for it.`;

/** Options that have no meaning where `xl save` does the work. */
const NOT_FOR_XEN = [
  "policy",
  "downtime",
  "deadline",
  "iterationsMax",
  "timeMax",
  "aboveTarget",
  "skipUnchanged",
  "throttle",
  "alignPages",
  "fileAccess",
];

export function registerSave({ program, run }: Registrar): void {
  const command = addTransferOptions(
    program
      .command("save <guest> <file>")
      .description("save a guest to a file; it ends here unless -c or -p is given")
      .addHelpText("after", `${GUEST_HELP}${XEN_HELP}`)
      .option("-c, --continue", "let the guest run on")
      .option("-p, --paused", "leave the guest paused")
      .option("--align-pages", "start page data at multiples of 4096 in the file, for direct I/O")
      .addOption(fileAccessOption("aligned pages are written")),
  );
  addOnlookerOptions(command).action(
    (name: string, file: string, options: SaveOptions, action: Command) =>
      run(action, (plain) =>
        observed(plain, options, async (context) => {
          checkOptions(options);
          const guest = await chooseGuest(name, context);
          return guest.kind === "xen"
            ? saveDomain(context, { guest, file, command: action }, options)
            : save(context, { name: guest.name, file }, options);
        }),
      ),
  );
}

async function saveDomain(
  context: Context,
  { guest, file, command }: DomainTask,
  options: SaveOptions,
): Promise<number> {
  const after = afterSave(options);
  refuseOptions(command, NOT_FOR_XEN, "an embedded guest: 'xl save' has no such thing");
  const { xl, domain } = guest;
  const settings = askedSettings(command, options);
  const { profile, bytes, totalMs } = await runUnderXl(
    context,
    { xl, settings, profile: options.profile, operation: "save", target: file, guest: domain.name },
    (task) => saveByXl({ ...task, domain, file, after }),
  );
  const { name, domid } = domain;
  context.result(profile ?? { name, domid, bytes, totalMs }, () =>
    [
      ...(profile === undefined ? [] : [renderProfile(profile)]),
      `saved ${formatBytes(bytes)} to ${file} in ${formatMs(totalMs)}`,
    ].join("\n"),
  );
  return EXIT.SUCCESS;
}

interface DomainTask {
  readonly guest: Extract<ChosenGuest, { kind: "xen" }>;
  readonly file: string;
  readonly command: Command;
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

/** @throws MigrationError USAGE_ARGUMENT: no guest whatever could be saved so */
function checkOptions(options: SaveOptions): void {
  if (options.alignPages !== true && options.fileAccess !== "auto") {
    throw new MigrationError("USAGE_ARGUMENT", { needs: "--align-pages with --file-access" });
  }
  if (options.continue === true && options.paused === true) {
    throw new MigrationError("USAGE_ARGUMENT", { needs: "-c or -p, not both" });
  }
}

/** How pages lie in the file and come there. */
function filePages({ alignPages, fileAccess }: SaveOptions) {
  return { alignsPages: alignPages === true, fileAccess };
}

function afterSave(options: SaveOptions): AfterSave {
  if (options.continue === true) {
    return "continue";
  }
  return options.paused === true ? "pause" : "destroy";
}
