import { MigrationError } from "../base/errors.ts";
import type { GuestSource } from "../guest/types.ts";
import type { Downtime } from "../report/profile.ts";
import type { Connection } from "../transport/connection.ts";
import { downtimeOf } from "./downtime.ts";
import { type SourceHandshake, sourceHandshake } from "./handshake.ts";
import { orInterruption, throwIfInterrupted } from "./interruption.ts";
import { type ChannelOptions, type ChannelsUsed, SourceChannels } from "./source-channels.ts";
import { type TransferOptions, type TransferOutcome, transferGuest } from "./transfer.ts";

/** Added to the name of a guest that was given away, until it is destroyed. @source xl_migrate.c */
const AWAY_SUFFIX = "--migratedaway";

/** How a guest is migrated. */
export interface MigrateOptions extends Omit<TransferOptions, "sink" | "beforePages"> {
  readonly connection: Connection;
  /** What to use where the receiver is one of ours; the stock stream alone unless given. */
  readonly channels?: ChannelOptions;
  /** Opens one more connection to the receiver; absent where there is no way to. */
  readonly dial?: ((signal: AbortSignal) => Promise<Connection>) | undefined;
}

/** A migration that ended well: the guest runs at the other end and is gone here. */
export interface MigrateOutcome extends TransferOutcome, ChannelsUsed {
  readonly downtime: Downtime;
  /** Octets of the stream and of all channels. */
  readonly totalBytes: number;
}

/**
 * Migrates a guest over a connection to a receiver.
 *
 * Until permission to go is sent, every failure leaves the guest running here. After it the guest
 * stays suspended here until the receiver's report: running there, it is destroyed here; failed
 * there, it is taken back when the receiver hands it back.
 *
 * @throws MigrationError HANDSHAKE_BANNER, HANDSHAKE_REFUSED, HANDSHAKE_UNDECIDED, and those of
 *   `transferGuest`.
 */
export async function migrateGuest(options: MigrateOptions): Promise<MigrateOutcome> {
  const { connection, guest, clock, onProgress, signal, dial } = options;
  const handshake = sourceHandshake(connection.source, connection.sink);
  const wanted = options.channels ?? { channels: 1, compression: "none" };
  const channels = new SourceChannels({ handshake, dial, options: wanted, clock, onProgress });
  const giveUp = () => void connection.close();
  signal.addEventListener("abort", giveUp);
  try {
    const outcome = await sendAndAwaitReady(options, handshake, channels);
    const permittedMs = clock.nowMs();
    signal.removeEventListener("abort", giveUp);
    onProgress({ kind: "phase", phase: "resume" });
    await handshake.permit();
    await settle(guest, handshake, outcome);
    const resumedMs = clock.nowMs();
    await guest.destroy();
    onProgress({ kind: "phase", phase: "done" });
    const downtime = downtimeOf(outcome, permittedMs, resumedMs);
    const totalBytes = outcome.totalBytes + channels.bytes;
    return { ...outcome, ...channels.used, totalBytes, downtime };
  } finally {
    await channels.close();
    signal.removeEventListener("abort", giveUp);
  }
}

/** Everything before permission: on failure the guest runs on here. */
async function sendAndAwaitReady(
  options: MigrateOptions,
  handshake: SourceHandshake,
  channels: SourceChannels,
): Promise<TransferOutcome> {
  const { guest, connection, onProgress, signal } = options;
  await handshake.awaitBanner();
  const outcome = await transferGuest({
    ...options,
    sink: connection.sink,
    beforePages: (sink, pump) => channels.offer(sink, pump),
  });
  let isRenamed = false;
  try {
    onProgress({ kind: "phase", phase: "handover" });
    const renaming = guest.rename(`${guest.config.name}${AWAY_SUFFIX}`).then(() => {
      isRenamed = true;
    });
    const [ready, renamed] = await Promise.allSettled([handshake.awaitReady(), renaming]);
    throwIfRejected(ready);
    throwIfRejected(renamed);
    throwIfInterrupted(signal);
    return outcome;
  } catch (error) {
    if (isRenamed) {
      await guest.rename(guest.config.name);
    }
    await outcome.takeBack();
    throw orInterruption(signal, error);
  }
}

function throwIfRejected(settled: PromiseSettledResult<void>): void {
  if (settled.status === "rejected") {
    throw settled.reason;
  }
}

/** Waits for the report; takes the guest back when the receiver failed and hands it back. */
async function settle(
  guest: GuestSource,
  handshake: SourceHandshake,
  outcome: TransferOutcome,
): Promise<void> {
  if ((await handshake.awaitReport()) === "running") {
    return;
  }
  await handshake.awaitPermissionBack();
  await guest.rename(guest.config.name);
  await outcome.takeBack();
  throw new MigrationError("HANDSHAKE_REFUSED", { report: "the guest could not be started there" });
}
