import { systemClock } from "../../src/base/clock.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import type { PageEngine } from "../../src/engine/types.ts";
import { loadWasmEngine } from "../../src/engine/wasm.ts";
import { parseGuestSpec } from "../../src/guest/config.ts";
import { openBackend } from "../../src/guest/open.ts";
import type { GuestConfig, GuestKind, GuestSink, GuestSource } from "../../src/guest/types.ts";
import { migrateGuest } from "../../src/migration/migrate.ts";
import type { IterationWatch } from "../../src/migration/precopy.ts";
import type { ProgressListener } from "../../src/migration/progress.ts";
import { receiveGuest } from "../../src/migration/receive.ts";
import type { ChannelOptions } from "../../src/migration/source-channels.ts";
import { downtimePolicy } from "../../src/model/policies/downtime.ts";
import { POLICY_DEFAULTS, type PrecopyPolicy } from "../../src/model/policy.ts";
import type { Address } from "../../src/transport/address.ts";
import type { Connection } from "../../src/transport/connection.ts";
import { connect, type Listener, listen } from "../../src/transport/open.ts";

/** What most transfers of the tests have in common. */
export const TRANSFER = {
  mode: "live",
  zeroPages: "elide",
  pump: { bytesPerSecondMax: 0, skipsUnchanged: false },
  policy: downtimePolicy(POLICY_DEFAULTS),
  clock: systemClock,
  onProgress: () => undefined,
} as const;

/** Makes a running guest of `spec`. */
export async function createGuest(runDir: string, spec: string): Promise<GuestSource> {
  const config = parseGuestSpec(spec);
  return (await openBackend(config.kind, { runDir })).create(config, "running");
}

/** Both ends of a link within this process. */
export interface Link {
  readonly source: Connection;
  readonly target: Connection;
  readonly listener: Listener;
}

/** Links two ends over loopback TCP. */
export async function openLink(): Promise<Link> {
  const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 });
  const [source, target] = await Promise.all([connect(tcpAddressOf(listener)), listener.accept()]);
  return { source, target, listener };
}

/** Where a listener of {@link openLink} listens. */
export function tcpAddressOf({ address }: Listener): Extract<Address, { kind: "tcp" }> {
  if (address.kind !== "tcp") {
    throw new Error("the links of tests are of TCP");
  }
  return address;
}

/** How a migration of the tests differs from a plain one. */
export interface MigrationChanges {
  readonly link?: Link;
  /** Engine of both ends; one that has no threads unless given. */
  readonly engine?: PageEngine;
  readonly targetEngine?: PageEngine;
  readonly channels?: ChannelOptions;
  readonly dial?: (signal: AbortSignal) => Promise<Connection>;
  readonly bytesPerSecondMax?: number;
  readonly targetKind?: GuestKind;
  readonly mode?: "live" | "non-live";
  readonly policy?: PrecopyPolicy;
  readonly throttles?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: ProgressListener;
  /** Told of progress at the target. */
  readonly onTaken?: ProgressListener;
  readonly startMs?: number;
  readonly watch?: IterationWatch | undefined;
  /** Changes the guest that is being made at the target. */
  readonly sabotageSink?: (sink: GuestSink) => GuestSink;
}

/**
 * Migrates `guest` to a receiver in this process, with the same registry.
 *
 * @returns how both ends ended.
 */
export async function migrateHere(
  runDir: string,
  guest: GuestSource,
  changes: MigrationChanges = {},
) {
  const link = changes.link ?? (await openLink());
  const prepare = async (config: GuestConfig) => {
    const kind = changes.targetKind ?? config.kind;
    const sink = await (await openBackend(kind, { runDir })).prepare({ ...config, kind });
    return changes.sabotageSink?.(sink) ?? sink;
  };
  const signal = new AbortController().signal;
  const received = receiveGuest({
    connection: link.target,
    door: link.listener.door,
    engine: changes.targetEngine ?? changes.engine ?? createReferenceEngine(),
    clock: systemClock,
    signal,
    prepare,
    startAs: "running",
    ...(changes.onTaken && { onProgress: changes.onTaken }),
  });
  const migrated = migrateGuest({
    ...TRANSFER,
    guest,
    engine: changes.engine ?? loadWasmEngine(),
    connection: link.source,
    ...(changes.channels && { channels: changes.channels }),
    dial: changes.dial ?? ((aborting) => connect(tcpAddressOf(link.listener), aborting)),
    pump: { ...TRANSFER.pump, bytesPerSecondMax: changes.bytesPerSecondMax ?? 0 },
    mode: changes.mode ?? "live",
    policy: changes.policy ?? TRANSFER.policy,
    throttles: changes.throttles ?? false,
    signal: changes.signal ?? signal,
    onProgress: changes.onProgress ?? TRANSFER.onProgress,
    startMs: changes.startMs,
    watch: changes.watch,
  });
  // As the command line does: who gives up hangs up.
  migrated.catch(() => link.source.close());
  const ends = await Promise.allSettled([migrated, received]);
  await Promise.all([link.source.close(), link.target.close(), link.listener.close()]);
  return { source: ends[0], target: ends[1] };
}
