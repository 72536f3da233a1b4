import type { Command } from "commander";
import { attachGuest } from "../../guest/open.ts";
import { migrateGuest } from "../../migration/migrate.ts";
import { rehearseMigration } from "../../migration/rehearsal.ts";
import { renderProfile } from "../../report/render.ts";
import { type Address, parseAddress } from "../../transport/address.ts";
import { connect } from "../../transport/open.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import type { Registrar } from "../program.ts";
import { MAIN_SCRIPT } from "../receiver-child.ts";
import { addTransferOptions, type TransferCliOptions } from "../transfer-options.ts";
import { runTransfer } from "../transfer-run.ts";

const HOST_HELP = `
HOST is one of
  localhost          a receiver is started here for the purpose
  tcp://HOST:PORT    a 'xenferry receive --listen tcp://…' there
                     (not encrypted: for trusted networks only)
  unix:PATH          likewise, on this machine
  ssh://HOST, HOST   'xenferry receive --stdio' is run there through ssh
  exec:COMMAND       any command whose input and output lead to a receiver`;

export function registerMigrate({ program, run }: Registrar): void {
  addTransferOptions(
    program
      .command("migrate <guest> <host>")
      .description("move a running guest to another host")
      .addHelpText("after", HOST_HELP),
  ).action((name: string, host: string, options: TransferCliOptions, command: Command) =>
    run(command, (context) => migrate(context, { name, host }, options)),
  );
}

async function migrate(
  context: Context,
  { name, host }: { readonly name: string; readonly host: string },
  options: TransferCliOptions,
): Promise<number> {
  const address = parseAddress(host);
  const guest = await attachGuest(name, { runDir: context.runDir });
  try {
    const [connection] = await Promise.all([
      connect(reachable(address, context)),
      rehearseMigration(context.engine().engine),
    ]);
    try {
      const profile = await runTransfer(
        context,
        { operation: "migrate", guest, target: connection.peer, options },
        (transfer) => migrateGuest({ ...transfer, connection }),
      );
      context.result(profile, () => `${renderProfile(profile)}\n${name} now runs at ${host}`);
      return EXIT.SUCCESS;
    } finally {
      await connection.close();
    }
  } finally {
    await guest.cleanup();
  }
}

/** Turns `localhost` into a receiver of our own, on the same registry. */
function reachable(address: Address, context: Context): Exclude<Address, { kind: "local" }> {
  if (address.kind !== "local") {
    return address;
  }
  const receive = ["--run-dir", context.runDir, "--quiet", "receive", "--stdio"];
  return { kind: "exec", command: [process.execPath, MAIN_SCRIPT, ...receive] };
}
