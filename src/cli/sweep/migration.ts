import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { MigrationError } from "../../base/errors.ts";
import { parseGuestSpec } from "../../guest/config.ts";
import { attachGuest, listGuests, openBackend } from "../../guest/open.ts";
import type { GuestCheck, VcpuCounters } from "../../guest/types.ts";
import { type Profile, parseProfile } from "../../report/profile.ts";
import type { SweepCell, SweepFigures, SweepRun } from "../../report/sweep-result.ts";
import type { SweepTask } from "../../sweep/tasks.ts";
import { formatAddress } from "../../transport/address.ts";
import { isProven } from "../check-text.ts";
import type { Context } from "../context.ts";
import { MAIN_SCRIPT, type ReceiverChild, startReceiver } from "../receiver-child.ts";
import { processorTimes, stolenShare } from "./processor-times.ts";

/** What a sweep's migrations need. */
export interface BenchPlace {
  readonly context: Pick<Context, "clock" | "signal">;
  /** A registry of the sweep's own; also where profiles go on the way. */
  readonly runDir: string;
  /** Longest time of a migration. */
  readonly timeoutMs: number;
}

const GUEST = "bench";

/**
 * Makes one migration as a user would: from one process to another over TCP on this machine, by the
 * command line. The guest then proves its memory, and ends.
 *
 * @returns the run; what went wrong with it is in it. @throws MigrationError BENCH_INTERRUPTED
 */
export async function benchMigration(place: BenchPlace, task: SweepTask): Promise<SweepRun> {
  const { cell, round } = task;
  const startedAt = new Date().toISOString();
  const before = await processorTimes();
  const head = { cell: cell.id, round, startedAt };
  try {
    const measured = await measure(place, cell);
    const stolen = stolenShare(before, await processorTimes());
    return {
      ...head,
      outcome: "proven",
      ...measured,
      ...(stolen !== undefined && { stolenShare: stolen }),
    };
  } catch (error) {
    if (place.context.signal.aborted) {
      throw new MigrationError("BENCH_INTERRUPTED", { cell: cell.id, round });
    }
    return { ...head, outcome: "bad", ...reasonOf(error) };
  } finally {
    await removeGuests(place.runDir);
  }
}

/** Ends all guests of a sweep's registry. */
export async function removeGuests(runDir: string): Promise<void> {
  for (const { name } of await listGuests({ runDir })) {
    try {
      const guest = await attachGuest(name, { runDir });
      await guest.destroy();
      await guest.cleanup();
    } catch (error) {
      // It may have ended meanwhile, which is what is wanted.
      if (!(error instanceof MigrationError)) {
        throw error;
      }
    }
  }
}

/** The migration's own error, where it is one that ended it. */
function reasonOf(error: unknown): Pick<SweepRun, "code" | "reason"> {
  if (!(error instanceof MigrationError)) {
    return { reason: String(error) };
  }
  const { code, message, where } = error;
  return code === "BENCH_MIGRATION" && typeof where.code === "string"
    ? { code: where.code, reason: String(where.reason) }
    : { code, reason: message };
}

async function measure(
  place: BenchPlace,
  cell: SweepCell,
): Promise<Pick<SweepRun, "figures" | "stopReason">> {
  const common = ["--run-dir", place.runDir, "--engine", cell.engine];
  // The source tells what went wrong.
  const listening = startReceiver([...common, "--quiet"], "ignore");
  // Should the guest not come up, what becomes of the receiver is nobody's question.
  listening.catch(() => undefined);
  try {
    const stores = await createGuest(place, cell);
    const { clock } = place.context;
    const startMs = clock.nowMs();
    const profile = await migrateByCommand(place, { cell, common, receiver: await listening });
    const check = await checkArrived(place);
    const ranMs = clock.nowMs() - startMs - profile.downtime!.totalMs - check.pauseMs;
    const measured = ((sumOf(check.vcpus) - stores) * 1000) / Math.max(1, ranMs);
    return {
      figures: figuresOf(profile, Math.max(0, measured)),
      ...(profile.stopReason !== undefined && { stopReason: profile.stopReason }),
    };
  } finally {
    const receiver = await listening.catch(() => undefined);
    await receiver?.close();
  }
}

/** @returns what it has stored so far. */
async function createGuest({ runDir }: BenchPlace, cell: SweepCell): Promise<number> {
  const config = { ...parseGuestSpec(cell.guest), name: GUEST };
  const guest = await (await openBackend(config.kind, { runDir })).create(config, "running");
  try {
    return sumOf((await guest.status()).vcpus);
  } finally {
    await guest.cleanup();
  }
}

/** The same check, if it proves the guest's memory. @throws MigrationError BENCH_UNPROVEN */
export function needProof(check: GuestCheck): GuestCheck {
  if (!isProven(check)) {
    const { pagesBad, versionsMatch } = check;
    throw new MigrationError("BENCH_UNPROVEN", { pagesBad, versionsMatch });
  }
  return check;
}

/** @throws MigrationError BENCH_UNPROVEN, GUEST_* it is not there */
async function checkArrived({ runDir }: BenchPlace): Promise<GuestCheck> {
  const guest = await attachGuest(GUEST, { runDir });
  try {
    return needProof(await guest.check());
  } finally {
    await guest.cleanup();
  }
}

interface Command {
  readonly cell: SweepCell;
  readonly common: readonly string[];
  readonly receiver: ReceiverChild;
}

/** Runs `xenferry migrate` and reads the profile that it leaves. */
async function migrateByCommand(
  place: BenchPlace,
  { cell, common, receiver }: Command,
): Promise<Profile> {
  const file = path.join(place.runDir, "profile.json");
  await rm(file, { force: true });
  const { linkBytesPerSecond: link, policy, downtimeTargetMs } = cell;
  const migrate = ["migrate", `embedded:${GUEST}`, formatAddress(receiver.address)];
  const options = ["--policy", policy, "--downtime", `${downtimeTargetMs}`, "--profile", file];
  const limit = link === 0 ? [] : ["--bandwidth-max", `${Math.round(link)}`];
  const args = [MAIN_SCRIPT, ...common, "--json", "--quiet", ...migrate, ...options, ...limit];
  await runChild(args, place);
  return parseProfile(await readFile(file, "utf8"));
}

/** @throws MigrationError BENCH_MIGRATION with what the command ended with, BENCH_TIMEOUT */
async function runChild(args: readonly string[], { context, timeoutMs }: BenchPlace) {
  const { signal } = context;
  // In a session of its own, so that Ctrl-C reaches it through us alone.
  const stdio = ["ignore", "ignore", "pipe"] as const;
  const child = spawn(process.execPath, args, { stdio: [...stdio], detached: true });
  let stderr = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-ERROR_TEXT_MAX);
  });
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const stop = () => child.kill("SIGTERM");
  limit.addEventListener("abort", stop, { once: true });
  if (signal.aborted) {
    stop();
  }
  try {
    const [status] = (await once(child, "close")) as [number | null];
    if (status !== 0) {
      throw limit.aborted && !signal.aborted
        ? new MigrationError("BENCH_TIMEOUT", { timeoutMs })
        : new MigrationError("BENCH_MIGRATION", failureOf(stderr, status));
    }
  } finally {
    limit.removeEventListener("abort", stop);
  }
}

const ERROR_TEXT_MAX = 65_536;

/** What was bad about a migration. */
type BadReason = { readonly code: string | undefined; readonly reason: string };

/** The error that a command printed as JSON in its last line. */
function failureOf(stderr: string, status: number | null): BadReason {
  const line = stderr.trim().split("\n").at(-1) ?? "";
  try {
    const [first] = childErrorSchema.parse(JSON.parse(line)).error;
    return { code: first!.code, reason: first!.message };
  } catch {
    const said = line.slice(0, REASON_LENGTH_MAX);
    return { code: undefined, reason: `migrate ended with status ${status}: ${said}` };
  }
}

const REASON_LENGTH_MAX = 200;

/** As `describeError` writes errors. */
const childErrorSchema = z.object({
  error: z.array(z.object({ code: z.string().optional(), message: z.string() })).min(1),
});

function sumOf(vcpus: readonly VcpuCounters[]): number {
  return vcpus.reduce((sum, { stores }) => sum + Number(stores), 0);
}

function figuresOf(profile: Profile, measuredStoresPerSecond: number): SweepFigures {
  const { iterations, downtime, totalMs, totalBytes, totalPagesSent } = profile;
  const { totalMs: downtimeMs, ...parts } = downtime!;
  return {
    totalMs,
    downtimeMs,
    ...parts,
    iterations: iterations.length,
    bytes: totalBytes,
    firstBytes: iterations[0]?.bytes ?? 0,
    pagesSent: totalPagesSent,
    finalPages: iterations.at(-1)?.pagesSent ?? 0,
    bytesPerSecond: iterations[0]?.bytesPerSecond ?? 0,
    measuredStoresPerSecond,
  };
}
