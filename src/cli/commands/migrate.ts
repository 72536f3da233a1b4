import type { Command } from "commander";
import { attachGuest } from "../../guest/open.ts";
import { migrateGuest } from "../../migration/migrate.ts";
import type { PumpOptions } from "../../migration/pump.ts";
import { rehearseMigration } from "../../migration/rehearsal.ts";
import { renderJoinedProfile, renderProfile } from "../../report/render.ts";
import { type Address, parseAddress } from "../../transport/address.ts";
import { connect } from "../../transport/open.ts";
import { migrateByXl } from "../../xl/migrate.ts";
import { checkXenAddress } from "../../xl/receiver.ts";
import { type ChosenGuest, chooseGuest, GUEST_HELP } from "../choose-guest.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import { addOnlookerOptions, type OnlookerOptions, observed } from "../onlookers/open.ts";
import type { Registrar } from "../program.ts";
import { receiverAt } from "../reach.ts";
import {
  addChannelOptions,
  addTransferOptions,
  type ChannelCliOptions,
  channelsOf,
  type TransferCliOptions,
} from "../transfer-options.ts";
import { runTransfer } from "../transfer-run.ts";
import { askedSettings, refuseOptions } from "../xen-options.ts";
import { runUnderXl } from "../xl-run.ts";

const HOST_HELP = `${GUEST_HELP}

HOST is one of
  localhost          a receiver is started here for the purpose; its profile goes beside that of
                     --profile: FILE.json and FILE.target.json
  tcp://HOST:PORT    a 'xenferry receive --listen tcp://…' there
                     (not encrypted: for trusted networks only)
  unix:PATH          likewise, on this machine
  ssh://HOST, HOST   'xenferry receive --stdio' is run there through ssh
  exec:COMMAND       any command whose input and output lead to a receiver

A domain of Xen is moved by 'xl migrate', always live, with our save helper at both ends; HOST is
  localhost          this Xen host itself
  ssh://HOST, HOST   'xl migrate-receive' is run there through ssh, with the helper that 'xenferry'
                     there names, or that of --remote-helper, or else Xen's own; ssh has to get
                     there without asking for anything
  exec:COMMAND       any command whose input and output lead to 'xl migrate-receive'`;

/** Options that have no meaning for one kind of guest or the other. */
const NOT_FOR_XEN = ["live", "skipUnchanged", "throttle", "channels", "compress", "auto"];
const NOT_FOR_EMBEDDED = ["paused", "ssh", "remoteHelper"];

interface XenCliOptions {
  readonly paused?: boolean;
  readonly ssh: string;
  readonly remoteHelper?: string;
}

type MigrateCliOptions = TransferCliOptions & ChannelCliOptions & XenCliOptions & OnlookerOptions;

export function registerMigrate({ program, run }: Registrar): void {
  const command = program
    .command("migrate <guest> <host>")
    .description("move a running guest to another host")
    .addHelpText("after", HOST_HELP);
  addOnlookerOptions(addXenOptions(addChannelOptions(addTransferOptions(command)))).action(
    (name: string, host: string, options: MigrateCliOptions, action: Command) =>
      run(action, (plain) =>
        observed(plain, options, async (context) => {
          const address = parseAddress(host);
          const guest = await chooseGuest(name, context);
          if (guest.kind === "xen") {
            refuseOptions(action, NOT_FOR_XEN, "an embedded guest: 'xl migrate' has no such thing");
            return migrateDomain(context, { guest, address, host, command: action }, options);
          }
          refuseOptions(action, NOT_FOR_EMBEDDED, "a domain of Xen");
          return migrate(context, { name: guest.name, address, host }, options);
        }),
      ),
  );
}

function addXenOptions(command: Command): Command {
  return command
    .option("-p, --paused", "Xen: leave the guest paused there")
    .option("--ssh <command>", "Xen: the shell's words for ssh, with its options", "ssh")
    .option("--remote-helper <path>", "Xen: our save helper at the other end");
}

interface DomainTask {
  readonly guest: Extract<ChosenGuest, { kind: "xen" }>;
  readonly address: Address;
  /** The address as it was given. */
  readonly host: string;
  readonly command: Command;
}

async function migrateDomain(
  context: Context,
  { guest, address, host, command }: DomainTask,
  options: MigrateCliOptions,
): Promise<number> {
  const xenAddress = checkXenAddress(address, host);
  const { xl, domain } = guest;
  const { ssh, remoteHelper, paused } = options;
  const settings = askedSettings(command, options);
  const { profile: asked } = options;
  const named = { operation: "migrate", target: host, guest: domain.name } as const;
  const run = { xl, settings, profile: asked, ...named };
  const { profile } = await runUnderXl(context, run, async (task) => ({
    profile: await migrateByXl({
      ...task,
      domain,
      address: xenAddress,
      host,
      ssh,
      remoteHelper,
      isPaused: paused === true,
    }),
  }));
  const now = paused === true ? "is now paused" : "now runs";
  context.result(
    profile,
    () => `${renderJoinedProfile(profile)}\n${domain.name} ${now} at ${host}`,
  );
  return EXIT.SUCCESS;
}

async function migrate(
  context: Context,
  { name, address, host }: { readonly name: string } & Pick<DomainTask, "address" | "host">,
  options: MigrateCliOptions,
): Promise<number> {
  const channels = channelsOf(options);
  const receiver = await receiverAt(address, context, { ...channels, profile: options.profile });
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
