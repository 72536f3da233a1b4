import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { ChannelOptions } from "../migration/source-channels.ts";
import { type Address, formatAddress } from "../transport/address.ts";
import type { Connection } from "../transport/connection.ts";
import { connect } from "../transport/open.ts";
import type { Context } from "./context.ts";
import { MAIN_SCRIPT } from "./receiver-child.ts";

/** How a receiver is reached. */
export interface Reachable {
  readonly address: Exclude<Address, { kind: "local" }>;
  /** Opens a connection for one more channel; absent where there is only the one. */
  readonly dial?: (signal: AbortSignal) => Promise<Connection>;
  /** Removes what was made for it. */
  readonly forget: () => Promise<void>;
}

/** Finds out how a receiver at `address` is reached; starts none before it is connected to. */
export async function receiverAt(
  address: Address,
  context: Pick<Context, "runDir">,
  { channels, profile }: ReceiverOptions,
): Promise<Reachable> {
  switch (address.kind) {
    case "tcp":
    case "unix":
      return { address, dial: (signal) => connect(address, signal), forget: async () => undefined };
    case "exec":
    case "ssh":
      return { address, forget: async () => undefined };
    case "local":
      return localReceiverFor(context, { channels, profile });
  }
}

/** What a receiver that is started here is asked for. */
export interface ReceiverOptions extends Pick<ChannelOptions, "channels"> {
  /** Where the source's profile goes, if anywhere; the receiver's goes beside it. */
  readonly profile?: string | undefined;
}

function localReceiverFor(context: Pick<Context, "runDir">, options: ReceiverOptions) {
  const { channels, profile } = options;
  const asked = profile === undefined ? [] : ["--profile", targetProfileName(profile)];
  return channels === 1
    ? localReceiver(context, ...asked)
    : localReceiverWithChannels(context, ...asked);
}

/** Where the receiver's profile goes, beside the source's: "web.target.json". */
function targetProfileName(profile: string): string {
  const { dir, name, ext } = path.parse(profile);
  return path.join(dir, `${name}.target${ext}`);
}

/** A receiver of our own, on the same registry, behind its standard input and output. */
function localReceiver(context: Pick<Context, "runDir">, ...more: readonly string[]): Reachable {
  const receive = ["--run-dir", context.runDir, "--quiet", "receive", "--stdio", ...more];
  const command = [process.execPath, MAIN_SCRIPT, ...receive];
  return { address: { kind: "exec", command }, forget: async () => undefined };
}

/** The same with a socket for channels, in a folder that only this user can enter. */
async function localReceiverWithChannels(
  context: Pick<Context, "runDir">,
  ...more: readonly string[]
): Promise<Reachable> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "xenferry-"));
  const channels = { kind: "unix", path: path.join(folder, "channels") } as const;
  return {
    ...localReceiver(context, "--channels-at", formatAddress(channels), ...more),
    dial: (signal) => connect(channels, signal),
    forget: () => rm(folder, { recursive: true, force: true }),
  };
}
