import { spawnSync } from "node:child_process";
import { rmSync, truncateSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { POLICY_DEFAULTS } from "#dist/model/policy.js";
import { runBaseline, type Via } from "./baseline.ts";
import type { Contestant, Run } from "./case.ts";
import type { Lab } from "./lab.ts";
import type { RunningProcess } from "./process.ts";
import { Qmp } from "./qmp.ts";

const PROGRAM = "qemu-system-x86_64";
const CHANNEL_COUNTS = [0, 2, 4];
/** Octets a second; QEMU has no word for "no limit". */
const BANDWIDTH_MAX = 200e9;
const POLL_MS = 20;
/** The firmware finds nothing to start within this time and halts. */
const SETTLE_MS = 3000;
/** Memory of the guests lies here, so that both sides of a migration can be compared. */
const MEMORY_FOLDER = "/dev/shm";

interface Migration {
  readonly status: string;
  readonly "total-time"?: number;
  readonly downtime?: number;
  readonly "error-desc"?: string;
  readonly ram?: { readonly transferred: number; readonly "multifd-bytes"?: number };
}

interface Machine {
  readonly qmp: Qmp;
  readonly process: RunningProcess;
}

/**
 * QEMU's own migration of an idle TCG guest of the lab's memory size and random content, one
 * stream and with multifd; only where `--peer qemu` asks for it.
 */
export async function qemuContestants(
  lab: Lab,
  via: Via,
): Promise<{ readonly contestants: readonly Contestant[]; readonly skipped: readonly string[] }> {
  if (lab.peer !== "qemu") {
    return { contestants: [], skipped: [] };
  }
  const { stdout, status } = spawnSync(PROGRAM, ["--version"], { encoding: "utf8" });
  if (status !== 0) {
    return { contestants: [], skipped: [`QEMU: there is no ${PROGRAM} on PATH`] };
  }
  const version = /version (\S+)/.exec(stdout)?.[1] ?? "";
  const contestants = CHANNEL_COUNTS.map((channels) => ({
    name: `QEMU ${version}${channels === 0 ? "" : `, multifd ${channels}`}`,
    run: () => migrateOnce(lab, via, channels),
  }));
  return { contestants, skipped: [] };
}

async function migrateOnce(lab: Lab, via: Via, channels: number): Promise<Run> {
  const bytes = lab.memoryBytes;
  const files = { source: memoryFile(lab, "source"), target: memoryFile(lab, "target") };
  const machines: Machine[] = [];
  try {
    await runBaseline(lab, "random-file", `path=${files.source}`, `bytes=${bytes}`, "seed=7");
    const source = await startMachine(lab, files.source, []);
    machines.push(source);
    await delay(SETTLE_MS);
    writeFileSync(files.target, "");
    truncateSync(files.target, bytes);
    const target = await startMachine(lab, files.target, ["-incoming", "defer", "-S"]);
    machines.push(target);
    const address = via === "unix" ? `unix:${lab.path(".sock")}` : `tcp:127.0.0.1:${await port()}`;
    for (const { qmp } of machines) {
      await configure(qmp, channels);
    }
    await target.qmp.call("migrate-incoming", { uri: address });
    await source.qmp.call("migrate", { uri: address });
    const migration = await awaitEnd(source.qmp);
    await awaitEnd(target.qmp);
    await compareMemory(lab, files.source, files.target);
    return runOf(migration);
  } finally {
    for (const file of Object.values(files)) {
      rmSync(file, { force: true });
    }
    for (const { qmp, process } of machines) {
      qmp.quit();
      await process.finished;
    }
  }
}

function memoryFile(lab: Lab, role: string): string {
  return path.join(MEMORY_FOLDER, `${path.basename(lab.folder)}-${role}`);
}

/** Starts QEMU on a file of memory. A target waits, and stays paused once it has arrived. */
async function startMachine(lab: Lab, file: string, role: readonly string[]): Promise<Machine> {
  const bytes = lab.memoryBytes;
  const monitor = lab.path(".qmp");
  const process = lab.start(PROGRAM, [
    ...["-machine", "pc,accel=tcg,memory-backend=ram", "-nodefaults", "-display", "none"],
    ...["-object", `memory-backend-file,id=ram,size=${bytes},mem-path=${file},share=on`],
    ...["-m", `size=${bytes / 2 ** 20}M`, "-qmp", `unix:${monitor},server=on,wait=off`],
    ...role,
  ]);
  const ended = process.finished.then(() => {
    throw new Error("QEMU ended before its monitor answered");
  });
  return { qmp: await Promise.race([Qmp.connect(monitor), ended]), process };
}

/** No bandwidth limit, and the same downtime target as ours; QEMU's own would be 300 ms. */
async function configure(qmp: Qmp, channels: number): Promise<void> {
  await qmp.call("migrate-set-parameters", {
    "max-bandwidth": BANDWIDTH_MAX,
    "downtime-limit": POLICY_DEFAULTS.downtimeTargetMs,
  });
  if (channels > 0) {
    const capabilities = [{ capability: "multifd", state: true }];
    await qmp.call("migrate-set-capabilities", { capabilities });
    await qmp.call("migrate-set-parameters", { "multifd-channels": channels });
  }
}

async function awaitEnd(qmp: Qmp): Promise<Migration> {
  for (;;) {
    const migration = (await qmp.call("query-migrate")) as Migration;
    if (migration.status === "completed") {
      return migration;
    }
    if (migration.status === "failed" || migration.status === "cancelled") {
      throw new Error(`QEMU's migration ${migration.status}: ${migration["error-desc"] ?? ""}`);
    }
    await delay(POLL_MS);
  }
}

/** The source stands still when it is done, and the target has not started. */
async function compareMemory(lab: Lab, source: string, target: string): Promise<void> {
  const sums: string[] = [];
  for (const file of [source, target]) {
    const { stdout } = await lab.start(lab.baseline, ["sum", `path=${file}`]).finished;
    sums.push(stdout);
  }
  if (sums[0] !== sums[1]) {
    throw new Error(`QEMU's migration changed the guest's memory: ${sums.join(" ")}`);
  }
}

function runOf(migration: Migration): Run {
  const seconds = migration["total-time"]! / 1000;
  const gigabytesPerSecond = migration.ram!.transferred / seconds / 1e9;
  return { figures: { gigabytesPerSecond, seconds, downtimeMs: migration.downtime! } };
}

/** A TCP port that is free now. */
async function port(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port: free } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return free;
}
