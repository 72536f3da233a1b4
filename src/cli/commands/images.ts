import type { Command } from "commander";
import { type InspectReport, inspectStream } from "../../migration/inspect.ts";
import { type VerifyReport, verifyStream } from "../../migration/verify-stream.ts";
import { formatBytes, formatCount } from "../../report/format.ts";
import { renderTable } from "../../report/render.ts";
import { openImage } from "../../transport/image-file.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import type { Registrar } from "../program.ts";

/** verify and inspect. */
export function registerImageCommands({ program, run }: Registrar): void {
  program
    .command("verify <file>")
    .description("check a saved image against the specifications ('-' is standard input)")
    .action((file: string, _options: object, command: Command) =>
      run(command, (context) => verify(context, file)),
    );
  program
    .command("inspect <file>")
    .description("say what is in a saved image ('-' is standard input)")
    .option("--no-digest", "leave out the digest of the resulting memory")
    .action((file: string, options: { readonly digest: boolean }, command: Command) =>
      run(command, (context) => inspect(context, file, options)),
    );
}
