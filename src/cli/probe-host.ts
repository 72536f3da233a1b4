import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parseGuestSpec } from "../guest/config.ts";
import { attachGuest, listGuests, openBackend } from "../guest/open.ts";
import type { GuestKind } from "../guest/types.ts";
import { migrateGuest } from "../migration/migrate.ts";
import { rehearseMigration } from "../migration/rehearsal.ts";
import { downtimePolicy } from "../model/policies/downtime.ts";
import { POLICY_DEFAULTS } from "../model/policy.ts";
import { connect } from "../transport/open.ts";
import type { Context } from "./context.ts";
import { receiverAt } from "./reach.ts";

/** What migrations of guests made for the purpose took, to a receiver on this machine. */
export interface HostProbe {
  /** Octets a second of iteration 0. */
  readonly bytesPerSecond: number;
  /** Downtime but for its final copy and harvest; and its standard deviation as a share. */
  readonly handoverMs: number;
  readonly handoverSpread: number;
  /** Of the whole, what was neither an iteration nor downtime (ms). */
  readonly aroundMs: number;
  readonly migrations: number;
}

/** Migrations of one probe; the first is not counted: it finds nothing in the caches. */
const MIGRATIONS = 3;

/** Memory of such a guest, at most. */
const MEMORY_BYTES_MAX = 256 * 2 ** 20;

const NAME = "probe";

/**
 * Moves an idle guest from process to process of this machine, a few times, in a registry of its
 * own; nothing is left of it.
 *
 * @throws MigrationError as a migration does
 */
export async function probeLocalhost(
  context: Context,
  { kind, memoryBytes }: { readonly kind: GuestKind; readonly memoryBytes: number },
): Promise<HostProbe> {
  const runDir = await mkdtemp(path.join(os.tmpdir(), "xenferry-probe-"));
  try {
    const bytes = Math.min(memoryBytes, MEMORY_BYTES_MAX);
    const config = parseGuestSpec(
      `${kind}:memory=${bytes},dirty=0,vcpus=1,fill=random,name=${NAME}`,
    );
    const guest = await (await openBackend(kind, { runDir })).create(config, "running");
    await guest.cleanup();
    const moves: Move[] = [];
    while (moves.length < MIGRATIONS) {
      moves.push(await moveOnce(context, runDir));
    }
    return summaryOf(moves.slice(1));
  } finally {
    await destroyAll(runDir);
  }
}

type Move = Awaited<ReturnType<typeof moveOnce>>;

async function moveOnce({ clock, engine: selectEngine, signal }: Context, runDir: string) {
  const { engine } = selectEngine();
  const receiver = await receiverAt({ kind: "local" }, { runDir }, { channels: 1 });
  const guest = await attachGuest(NAME, { runDir });
  const [connection] = await Promise.all([connect(receiver.address), rehearseMigration(engine)]);
  try {
    const startMs = clock.nowMs();
    const { iterations, downtime } = await migrateGuest({
      guest,
      engine,
      connection,
      mode: "live",
      policy: downtimePolicy(POLICY_DEFAULTS),
      clock,
      onProgress: () => undefined,
      signal,
      zeroPages: "elide",
      pump: { bytesPerSecondMax: 0, skipsUnchanged: false },
    });
    const live = iterations.filter(({ phase }) => phase === "precopy");
    const liveMs = live.reduce((sum, { durationMs }) => sum + durationMs, 0);
    return {
      bytesPerSecond: live[0]?.bytesPerSecond ?? 0,
      handoverMs: downtime.totalMs - downtime.finalCopyMs - downtime.harvestMs,
      aroundMs: clock.nowMs() - startMs - liveMs - downtime.totalMs,
    };
  } finally {
    await connection.close();
    await guest.cleanup();
    await receiver.forget();
  }
}

function summaryOf(moves: readonly Move[]): HostProbe {
  const handoverMs = median(moves.map((move) => move.handoverMs));
  const squares = moves.map((move) => (move.handoverMs / handoverMs - 1) ** 2);
  return {
    bytesPerSecond: median(moves.map((move) => move.bytesPerSecond)),
    handoverMs,
    handoverSpread: Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / moves.length),
    aroundMs: median(moves.map((move) => move.aroundMs)),
    migrations: moves.length,
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

async function destroyAll(runDir: string): Promise<void> {
  for (const { name } of await listGuests({ runDir })) {
    const guest = await attachGuest(name, { runDir });
    await guest.destroy();
    await guest.cleanup();
  }
  await rm(runDir, { recursive: true, force: true });
}
