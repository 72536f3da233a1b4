import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { Command } from "commander";
import { attachGuest } from "../../guest/open.ts";
import { migrateGuest } from "../../migration/migrate.ts";
import type { PumpOptions } from "../../migration/pump.ts";
import { rehearseMigration } from "../../migration/rehearsal.ts";
import type { ChannelOptions } from "../../migration/source-channels.ts";
import { renderProfile } from "../../report/render.ts";
import { type Address, formatAddress, parseAddress } from "../../transport/address.ts";
import type { Connection } from "../../transport/connection.ts";
import { connect } from "../../transport/open.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import type { Registrar } from "../program.ts";
import { MAIN_SCRIPT } from "../receiver-child.ts";
import {
  addChannelOptions,
  addTransferOptions,
  type ChannelCliOptions,
  channelsOf,
  type TransferCliOptions,
} from "../transfer-options.ts";
import { runTransfer } from "../transfer-run.ts";

const HOST_HELP = `
HOST is one of
  localhost          a receiver is started here for the purpose
  tcp://HOST:PORT    a 'xenferry receive --listen tcp://…' there
                     (not encrypted: for trusted networks only)
  unix:PATH          likewise, on this machine
  ssh://HOST, HOST   'xenferry receive --stdio' is run there through ssh
  exec:COMMAND       any command whose input and output lead to a receiver`;

type MigrateCliOptions = TransferCliOptions & ChannelCliOptions;

export function registerMigrate({ program, run }: Registrar): void {
  const command = program
    .command("migrate <guest> <host>")
    .description("move a running guest to another host")
    .addHelpText("after", HOST_HELP);
  addChannelOptions(addTransferOptions(command)).action(
    (name: string, host: string, options: MigrateCliOptions, action: Command) =>
      run(action, (context) => migrate(context, { name, host }, options)),
  );
}

async function migrate(
  context: Context,
  { name, host }: { readonly name: string; readonly host: string },
  options: MigrateCliOptions,
): Promise<number> {
  const channels = channelsOf(options);
  const receiver = await receiverAt(parseAddress(host), context, channels);
  const guest = await attachGuest(name, { runDir: context.runDir });
  try {
    const [connection] = await Promise.all([
      connect(receiver.address),
      rehearseMigration(context.engine().engine),
    ]);
    try {
      const profile = await runTransfer(
        context,
        { operation: "migrate", guest, target: connection.peer, options },
        (transfer) =>
          migrateGuest({
            ...transfer,
            pump: pumpOf(transfer.pump, options),
            connection,
            channels,
            dial: receiver.dial,
          }),
      );
      context.result(profile, () => `${renderProfile(profile)}\n${name} now runs at ${host}`);
      return EXIT.SUCCESS;
    } finally {
      await connection.close();
    }
  } finally {
    await guest.cleanup();
    await receiver.forget();
  }
}

/** With `--auto` digests are made where they cost little, unless they are asked for. */
function pumpOf(pump: PumpOptions, { auto }: ChannelCliOptions): PumpOptions {
  return { ...pump, skipsUnchanged: pump.skipsUnchanged || (auto === true && "auto") };
}

/** How a receiver is reached. */
interface Reachable {
  readonly address: Exclude<Address, { kind: "local" }>;
  /** Opens a connection for one more channel; absent where there is only the one. */
  readonly dial?: (signal: AbortSignal) => Promise<Connection>;
  /** Removes what was made for it. */
  readonly forget: () => Promise<void>;
}

async function receiverAt(
  address: Address,
  context: Context,
  { channels }: ChannelOptions,
): Promise<Reachable> {
  switch (address.kind) {
    case "tcp":
    case "unix":
      return { address, dial: (signal) => connect(address, signal), forget: async () => undefined };
    case "exec":
      return { address, forget: async () => undefined };
    case "local":
      return channels === 1 ? localReceiver(context) : localReceiverWithChannels(context);
  }
}

/** A receiver of our own, on the same registry, behind its standard input and output. */
function localReceiver(context: Context, ...more: readonly string[]): Reachable {
  const receive = ["--run-dir", context.runDir, "--quiet", "receive", "--stdio", ...more];
  const command = [process.execPath, MAIN_SCRIPT, ...receive];
  return { address: { kind: "exec", command }, forget: async () => undefined };
}

/** The same with a socket for channels, in a folder that only this user can enter. */
async function localReceiverWithChannels(context: Context): Promise<Reachable> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "xenferry-"));
  const channels = { kind: "unix", path: path.join(folder, "channels") } as const;
  return {
    ...localReceiver(context, "--channels-at", formatAddress(channels)),
    dial: (signal) => connect(channels, signal),
    forget: () => rm(folder, { recursive: true, force: true }),
  };
}
