import { type Command, Option } from "commander";
import { openBackend } from "../../guest/open.ts";
import type { GuestKind } from "../../guest/types.ts";
import type { StreamVersion } from "../../migration/legacy.ts";
import { restoreGuest } from "../../migration/restore.ts";
import { formatBytes, formatCount, formatMs } from "../../report/format.ts";
import { openImage } from "../../transport/image-file.ts";
import type { FileAccess } from "../../transport/pump-addon.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import { fileAccessOption } from "../file-access.ts";
import type { Registrar } from "../program.ts";
import { streamVersionOption } from "../stream-version.ts";

interface RestoreOptions {
  readonly paused?: boolean;
  readonly name?: string;
  readonly kind?: GuestKind;
  readonly streamVersion?: StreamVersion;
  readonly fileAccess: FileAccess;
}

export function registerRestore({ program, run }: Registrar): void {
  program
    .command("restore <file>")
    .description("make a guest of a saved image ('-' is standard input)")
    .option("-p, --paused", "leave the guest paused")
    .option("--name <name>", "instead of the name in the image")
    .addOption(
      new Option(
        "--kind <kind>",
        "kind of guest to restore into; that of the image unless given",
      ).choices(["process", "synthetic"]),
    )
    .addOption(streamVersionOption())
    .addOption(fileAccessOption("pages are read, of an aligned image that is a plain file"))
    .action((file: string, options: RestoreOptions, command: Command) =>
      run(command, (context) => restore(context, file, options)),
    );
}

async function restore(context: Context, file: string, options: RestoreOptions): Promise<number> {
  const { engine } = context.engine();
  const source = await openImage(file === "-" ? process.stdin : file);
  const startMs = context.clock.nowMs();
  try {
    const { config, pages, bytes, directBytes } = await restoreGuest({
      source,
      engine,
      signal: context.signal,
      fileAccess: options.fileAccess,
      streamVersion: options.streamVersion,
      startAs: options.paused === true ? "paused" : "running",
      prepare: async (described) => {
        const kind = options.kind ?? described.kind;
        const name = options.name ?? described.name;
        const backend = await openBackend(kind, context);
        return backend.prepare({ ...described, kind, name });
      },
    });
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
