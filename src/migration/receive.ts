import type { Clock } from "../base/clock.ts";
import type { PageEngine } from "../engine/types.ts";
import type { GuestConfig, GuestSink } from "../guest/types.ts";
import type { IntakeParts } from "../report/profile.ts";
import type { ChannelDoor } from "../transport/channel-door.ts";
import type { Connection } from "../transport/connection.ts";
import { type TargetHandshake, targetHandshake } from "./handshake.ts";
import { Intake } from "./intake.ts";
import { orInterruption } from "./interruption.ts";
import type { StreamVersion } from "./legacy.ts";
import type { ProgressListener } from "./progress.ts";
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
  readonly onProgress?: ProgressListener;
}

/** A guest that arrived. */
export interface ReceiveOutcome {
  readonly name: string;
  /** Page entries with data, repeats counted. */
  readonly pages: number;
  readonly bytes: number;
  /** From the banner to the report. */
  readonly totalMs: number;
  /** Where time went while pages came. */
  readonly intake: IntakeParts;
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
  const intake = new Intake(options.onProgress);
  const channels = new TargetChannels({ ...options, handshake, intake, onFailure: giveUp });
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
      intake,
    });
    await channels.stop();
    await handshake.sendReady();
    intake.reached("ready");
    await handshake.awaitPermission();
    intake.reached("permitted");
    isPermitted = true;
    signal.removeEventListener("abort", giveUp);
    const { name } = restored.config;
    await takeOver({ sink: restored.sink, handshake, intake }, { name, startAs: options.startAs });
    const pages = restored.pages + channels.pages;
    const bytes = restored.bytes + channels.bytes;
    const totalMs = clock.nowMs() - startMs;
    return { name, pages, bytes, totalMs, intake: intake.parts };
  } catch (error) {
    await channels.stop();
    if (!isPermitted) {
      await sink?.destroy();
    }
    throw isPermitted ? error : orInterruption(signal, channels.failure ?? error);
  } finally {
    signal.removeEventListener("abort", giveUp);
    await channels.close();
    intake.end();
    await sink?.cleanup();
  }
}

interface TakeOverParts {
  readonly sink: GuestSink;
  readonly handshake: TargetHandshake;
  readonly intake: Intake;
}

/** The guest is ours: names and starts it, and says how that went. */
async function takeOver(
  { sink, handshake, intake }: TakeOverParts,
  { name, startAs }: { readonly name: string; readonly startAs: "running" | "paused" },
): Promise<void> {
  try {
    await sink.rename(name);
    await sink.start(startAs);
    intake.reached("started");
  } catch (error) {
    await handshake.sendReport("failed");
    await sink.destroy();
    await handshake.sendPermissionBack();
    throw error;
  }
  await handshake.sendReport("running").catch(() => undefined);
  intake.reached("reported");
}
