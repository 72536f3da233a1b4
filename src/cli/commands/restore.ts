import { type Command, Option } from "commander";
import { MigrationError } from "../../base/errors.ts";
import { openBackend } from "../../guest/open.ts";
import type { GuestKind } from "../../guest/types.ts";
import type { StreamVersion } from "../../migration/legacy.ts";
import { restoreGuest } from "../../migration/restore.ts";
import { formatBytes, formatCount, formatMs } from "../../report/format.ts";
import { openImage } from "../../transport/image-file.ts";
import type { FileAccess } from "../../transport/pump-addon.ts";
import { imageOwner } from "../../xl/image-owner.ts";
import { restoreByXl } from "../../xl/restore.ts";
import { needXl, Xl } from "../../xl/xl.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import { fileAccessOption } from "../file-access.ts";
import { runIntake } from "../intake-run.ts";
import { addOnlookerOptions, type OnlookerOptions, observed } from "../onlookers/open.ts";
import type { Registrar } from "../program.ts";
import { streamVersionOption } from "../stream-version.ts";
import { askedSettings, refuseOptions } from "../xen-options.ts";
import { runUnderXl } from "../xl-run.ts";

interface RestoreOptions extends OnlookerOptions {
  readonly paused?: boolean;
  readonly name?: string;
  readonly kind?: GuestKind | "xen";
  readonly config?: string;
  readonly monitor: boolean;
  readonly profile?: string;
  readonly streamVersion?: StreamVersion;
  readonly fileAccess: FileAccess;
}

const KIND_HELP = `
Without --kind the image says where it belongs: one of an embedded guest becomes such a guest again,
and any other one is a Xen guest's, which 'xl restore' makes a domain of, with our save helper.`;

const FOR_EMBEDDED = ["name", "fileAccess", "streamVersion"];
const FOR_XEN = ["config", "monitor"];

export function registerRestore({ program, run }: Registrar): void {
  const command = program
    .command("restore <file>")
    .description("make a guest of a saved image ('-' is standard input)")
    .option("-p, --paused", "leave the guest paused")
    .option("--name <name>", "instead of the name in the image")
    .addOption(
      new Option(
        "--kind <kind>",
        "kind of guest to restore into; that of the image unless given",
      ).choices(["process", "synthetic", "xen"]),
    )
    .option("--config <file>", "Xen: a configuration that replaces the image's")
    .option("-e, --no-monitor", "Xen: leave no xl behind that waits for the domain's end")
    .option("--profile <file>", "write the profile (JSON) here")
    .addHelpText("after", KIND_HELP)
    .addOption(streamVersionOption())
    .addOption(fileAccessOption("pages are read, of an aligned image that is a plain file"));
  addOnlookerOptions(command).action((file: string, options: RestoreOptions, action: Command) =>
    run(action, (plain) =>
      observed(plain, options, async (context) => {
        const owner = await ownerOf(file, options);
        if (owner.kind === "xen") {
          refuseOptions(action, FOR_EMBEDDED, "the image of an embedded guest");
          return restoreDomain(context, { file, name: owner.name, command: action }, options);
        }
        refuseOptions(action, FOR_XEN, "the image of a Xen guest");
        return restore(context, { file, kind: owner.into }, options);
      }),
    ),
  );
}

/** What an image is to become. */
type Owner =
  | { readonly kind: "xen"; readonly name: string }
  /** A guest of that kind, or of the one in the image. */
  | { readonly kind: "embedded"; readonly into: GuestKind | undefined };

/**
 * What was asked for, else what the image says.
 *
 * @throws MigrationError USAGE_ARGUMENT: `xl` can read no such file
 */
async function ownerOf(file: string, { kind }: RestoreOptions): Promise<Owner> {
  if (file === "-" && kind === "xen") {
    throw new MigrationError("USAGE_ARGUMENT", {
      needs: "a file, which 'xl restore' opens itself",
    });
  }
  if (file === "-" || (kind !== undefined && kind !== "xen")) {
    return { kind: "embedded", into: kind === "xen" ? undefined : kind };
  }
  const owner = await imageOwner(file);
  if (owner.kind === "xen" && owner.isPacked) {
    throw new MigrationError("USAGE_ARGUMENT", { needs: "an unpacked image, for 'xl restore'" });
  }
  return owner.kind === "xen" || kind === "xen"
    ? { kind: "xen", name: owner.kind === "xen" ? owner.name : file }
    : { kind: "embedded", into: undefined };
}

interface DomainTask {
  readonly file: string;
  /** Of the guest in the image. */
  readonly name: string;
  readonly command: Command;
}

async function restoreDomain(
  context: Context,
  { file, name, command }: DomainTask,
  options: RestoreOptions,
): Promise<number> {
  const xl = needXl(Xl.find(process.env));
  const settings = askedSettings(command, {});
  const { domid, profile, totalMs } = await runUnderXl(
    context,
    { xl, settings, profile: options.profile, operation: "restore", target: file, guest: name },
    (task) =>
      restoreByXl({
        ...task,
        file,
        name,
        config: options.config,
        isPaused: options.paused === true,
        isMonitored: options.monitor,
      }),
  );
  context.result(profile ?? { name, domid, totalMs }, () => {
    const moved = profile && `: ${formatCount(profile.totalPagesSent)} pages`;
    return `restored ${name} as domain ${domid ?? "?"}${moved ?? ""} in ${formatMs(totalMs)}`;
  });
  return EXIT.SUCCESS;
}

async function restore(
  context: Context,
  { file, kind: asked }: { readonly file: string; readonly kind: GuestKind | undefined },
  options: RestoreOptions,
): Promise<number> {
  const { engine } = context.engine();
  const { fileAccess, streamVersion, profile } = options;
  const source = await openImage(file === "-" ? process.stdin : file);
  const startMs = context.clock.nowMs();
  const task = { operation: "restore", target: file, profile } as const;
  try {
    const { config, pages, bytes, directBytes } = await runIntake(context, task, (hooks) =>
      restoreGuest({
        source,
        engine,
        signal: context.signal,
        fileAccess,
        streamVersion,
        startAs: options.paused === true ? "paused" : "running",
        onProgress: hooks.onProgress,
        prepare: async (described) => {
          const kind = asked ?? described.kind;
          const wanted = { ...described, kind, name: options.name ?? described.name };
          hooks.makes(wanted);
          return (await openBackend(kind, context)).prepare(wanted);
        },
      }),
    );
    const totalMs = context.clock.nowMs() - startMs;
    const name = options.name ?? config.name;
    context.result({ name, pages, bytes, directBytes, totalMs }, () => {
      const moved = `${formatCount(pages)} pages, ${formatBytes(bytes)}`;
      return `restored ${name}: ${moved} in ${formatMs(totalMs)}`;
    });
    return EXIT.SUCCESS;
  } finally {
    await source.close();
  }
}
