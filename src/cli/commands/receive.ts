import { type Command, Option } from "commander";
import { MigrationError } from "../../base/errors.ts";
import { openBackend } from "../../guest/open.ts";
import { arrivedName } from "../../guest/registry.ts";
import type { GuestKind } from "../../guest/types.ts";
import type { StreamVersion } from "../../migration/legacy.ts";
import { receiveGuest } from "../../migration/receive.ts";
import { rehearseMigration } from "../../migration/rehearsal.ts";
import { formatBytes, formatCount, formatMs } from "../../report/format.ts";
import { formatAddress, parseAddress } from "../../transport/address.ts";
import type { ChannelDoor } from "../../transport/channel-door.ts";
import type { Connection } from "../../transport/connection.ts";
import { STANDARD_OUTPUT } from "../../transport/line-outlet.ts";
import { listen, stdioConnection } from "../../transport/open.ts";
import type { Context } from "../context.ts";
import { describeError, EXIT } from "../exit.ts";
import { runIntake } from "../intake-run.ts";
import { addOnlookerOptions, type OnlookerOptions, observed } from "../onlookers/open.ts";
import type { Registrar } from "../program.ts";
import { streamVersionOption } from "../stream-version.ts";

interface ReceiveOptions extends OnlookerOptions {
  readonly listen?: string;
  readonly stdio?: boolean;
  readonly channelsAt?: string;
  readonly keep?: boolean;
  readonly paused?: boolean;
  readonly kind?: GuestKind;
  readonly streamVersion?: StreamVersion;
  readonly profile?: string;
}

const LISTEN_DEFAULT = "tcp://127.0.0.1:0";

export function registerReceive({ program, run }: Registrar): void {
  const command = program
    .command("receive")
    .description("wait for a migrating guest and take it")
    .option(
      "--listen <address>",
      "tcp://HOST:PORT or unix:PATH (port 0: any free one)",
      LISTEN_DEFAULT,
    )
    .option("--stdio", "the wire is standard input and output")
    .option("--channels-at <address>", "with --stdio: where more channels come in, as for --listen")
    .option("--keep", "go on listening after a guest has arrived")
    .option("-p, --paused", "leave the guest paused")
    .addOption(
      new Option(
        "--kind <kind>",
        "kind of guest to receive into; that of the image unless given",
      ).choices(["process", "synthetic"]),
    )
    .option("--profile <file>", "write the profile (JSON) here; with --keep, of the last guest")
    .addOption(streamVersionOption());
  addOnlookerOptions(command).action((options: ReceiveOptions, action: Command) =>
    run(action, (plain) => {
      checkOptions(options);
      return observed(plain, options, (context) => receive(context, options));
    }),
  );
}

/** @throws MigrationError USAGE_ARGUMENT */
function checkOptions({ stdio, events }: ReceiveOptions): void {
  if (stdio === true && events === STANDARD_OUTPUT) {
    const needs = "a file for --events: standard output is the wire";
    throw new MigrationError("USAGE_ARGUMENT", { needs });
  }
}

async function receive(context: Context, options: ReceiveOptions): Promise<number> {
  if (options.stdio === true) {
    return receiveStdio(context, options);
  }
  const listener = await listen(parseAddress(options.listen ?? LISTEN_DEFAULT));
  context.signal.addEventListener("abort", () => void listener.close());
  const address = formatAddress(listener.address);
  context.announce({ listening: address }, `listening on ${address}`);
  context.onlooker.listens(address);
  try {
    await rehearseMigration(context.engine().engine);
    do {
      await receiveOrReport(context, await listener.accept(), listener.door, options);
    } while (options.keep === true && !context.signal.aborted);
    return EXIT.SUCCESS;
  } finally {
    await listener.close();
  }
}

/** Takes one guest over standard input and output. */
async function receiveStdio(context: Context, options: ReceiveOptions): Promise<number> {
  const { channelsAt } = options;
  const listener = channelsAt === undefined ? undefined : await listen(parseAddress(channelsAt));
  try {
    await rehearseMigration(context.engine().engine);
    await receiveOne(context, stdioConnection(), listener?.door, options);
    return EXIT.SUCCESS;
  } finally {
    await listener?.close();
  }
}

/** With `--keep` one failed migration does not end the receiver. */
async function receiveOrReport(
  context: Context,
  connection: Connection,
  door: ChannelDoor,
  options: ReceiveOptions,
): Promise<void> {
  try {
    await receiveOne(context, connection, door, options);
  } catch (error) {
    if (options.keep !== true) {
      throw error;
    }
    context.note(describeError(error, "text"));
  }
}

async function receiveOne(
  context: Context,
  connection: Connection,
  door: ChannelDoor | undefined,
  options: ReceiveOptions,
): Promise<void> {
  const { engine } = context.engine();
  const { streamVersion, profile } = options;
  const task = { operation: "receive", target: connection.peer, profile } as const;
  try {
    const received = await runIntake(context, task, (hooks) =>
      receiveGuest({
        connection,
        door,
        engine,
        clock: context.clock,
        signal: context.signal,
        streamVersion,
        startAs: options.paused === true ? "paused" : "running",
        onProgress: hooks.onProgress,
        prepare: async (config) => {
          const kind = options.kind ?? config.kind;
          hooks.makes({ ...config, kind, name: arrivedName(config.name) });
          return (await openBackend(kind, context)).prepare({ ...config, kind });
        },
      }),
    );
    const { name, pages, bytes, totalMs } = received;
    const moved = `${formatCount(pages)} pages, ${formatBytes(bytes)}`;
    const told = `${name} arrived: ${moved} in ${formatMs(totalMs)}`;
    if (options.stdio === true) {
      context.note(told);
    } else {
      context.announce({ arrived: received }, told);
    }
  } finally {
    await connection.close();
  }
}
