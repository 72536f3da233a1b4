import type { Clock } from "../base/clock.ts";
import type { PageEngine } from "../engine/types.ts";
import type { GuestConfig, GuestSink } from "../guest/types.ts";
import type { ChannelDoor } from "../transport/channel-door.ts";
import type { Connection } from "../transport/connection.ts";
import { type TargetHandshake, targetHandshake } from "./handshake.ts";
import { orInterruption } from "./interruption.ts";
import type { StreamVersion } from "./legacy.ts";
import { restoreStream } from "./restore.ts";
import { TargetChannels } from "./target-channels.ts";

/** Added to the name of a guest that has not arrived yet. @source xl_migrate.c */
const INCOMING_SUFFIX = "--incoming";

/** How a guest is received. */
export interface ReceiveOptions {
  readonly connection: Connection;
  readonly engine: PageEngine;
  readonly clock: Clock;
  /** Aborting before permission destroys what has arrived; after it, nothing. */
  readonly signal: AbortSignal;
  readonly prepare: (config: GuestConfig) => Promise<GuestSink>;
  readonly startAs: "running" | "paused";
  /** Version of the stream; told by its first octets unless given. */
  readonly streamVersion?: StreamVersion | undefined;
  /** Where channels besides the connection come in, if they can. */
  readonly door?: ChannelDoor | undefined;
}

/** A guest that arrived. */
export interface ReceiveOutcome {
  readonly name: string;
  /** Page entries with data, repeats counted. */
  readonly pages: number;
  readonly bytes: number;
  /** From the banner to the report. */
  readonly totalMs: number;
}

/**
 * Receives a guest: banner, image, ready, permission, start, report.
 *
 * Whatever fails before permission leaves nothing here; after permission a failure to start the
 * guest is reported and the guest handed back.
 *
 * @throws MigrationError as `restoreStream`; HANDSHAKE_SENTENCE, TRANSPORT_LOST
 */
export async function receiveGuest(options: ReceiveOptions): Promise<ReceiveOutcome> {
  const { connection, clock, signal } = options;
  const startMs = clock.nowMs();
  const giveUp = () => void connection.close();
  signal.addEventListener("abort", giveUp);
  const handshake = targetHandshake(connection.source, connection.sink);
  let sink: GuestSink | undefined;
  let isPermitted = false;
  const channels = new TargetChannels({ ...options, handshake, onFailure: giveUp });
  try {
    await handshake.sendBanner();
    const restored = await restoreStream({
      source: connection.source,
      engine: options.engine,
      signal,
      streamVersion: options.streamVersion,
      prepare: async (config) => {
        sink = await options.prepare({ ...config, name: `${config.name}${INCOMING_SUFFIX}` });
        return sink;
      },
      own: channels,
    });
    await channels.stop();
    await handshake.sendReady();
    await handshake.awaitPermission();
    isPermitted = true;
    signal.removeEventListener("abort", giveUp);
    await takeOver(restored.sink, handshake, {
      name: restored.config.name,
      startAs: options.startAs,
    });
    const pages = restored.pages + channels.pages;
    const bytes = restored.bytes + channels.bytes;
    return { name: restored.config.name, pages, bytes, totalMs: clock.nowMs() - startMs };
  } catch (error) {
    await channels.stop();
    if (!isPermitted) {
      await sink?.destroy();
    }
    throw isPermitted ? error : orInterruption(signal, channels.failure ?? error);
  } finally {
    signal.removeEventListener("abort", giveUp);
    await channels.close();
    await sink?.cleanup();
  }
}

/** The guest is ours: names and starts it, and says how that went. */
async function takeOver(
  sink: GuestSink,
  handshake: TargetHandshake,
  { name, startAs }: { readonly name: string; readonly startAs: "running" | "paused" },
): Promise<void> {
  try {
    await sink.rename(name);
    await sink.start(startAs);
  } catch (error) {
    await handshake.sendReport("failed");
    await sink.destroy();
    await handshake.sendPermissionBack();
    throw error;
  }
  await handshake.sendReport("running").catch(() => undefined);
}
