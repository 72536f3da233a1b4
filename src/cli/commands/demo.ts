import { mkdir } from "node:fs/promises";
import path from "node:path";
import type { Command } from "commander";
import { parseGuestSpec } from "../../guest/config.ts";
import { attachGuest, listGuests, openBackend } from "../../guest/open.ts";
import type { GuestConfig, VcpuCounters } from "../../guest/types.ts";
import { migrateGuest } from "../../migration/migrate.ts";
import { saveGuest } from "../../migration/save.ts";
import { formatCount } from "../../report/format.ts";
import type { Profile } from "../../report/profile.ts";
import { renderProfile } from "../../report/render.ts";
import { connect } from "../../transport/open.ts";
import { isProven, renderCheck } from "../check-text.ts";
import type { Context } from "../context.ts";
import { silentDisplay } from "../display/progress.ts";
import { EXIT } from "../exit.ts";
import type { Registrar } from "../program.ts";
import { type ReceiverChild, startReceiver } from "../receiver-child.ts";
import { TRANSFER_DEFAULTS } from "../transfer-options.ts";
import { runTransfer } from "../transfer-run.ts";

interface DemoOptions {
  readonly guest?: string;
  readonly folder: string;
}

const GUEST_NAME = "demo";
const PROCESS_GUEST = "process:memory=1G,dirty=200M,hot=10%,vcpus=2,fill=random";
const SYNTHETIC_GUEST = "synthetic:memory=128M,dirty=20M,hot=10%,vcpus=1,fill=random";

export function registerDemo({ program, run }: Registrar): void {
  program
    .command("demo")
    .description("migrate a running guest live to another process over TCP, and prove the result")
    .option("--guest <spec>", "the guest to migrate, as for create")
    .option("--folder <folder>", "where the profile and the saved image go", "xenferry-demo")
    .action((options: DemoOptions, command: Command) =>
      run(command, (context) => demo(context, options)),
    );
}

async function demo(context: Context, options: DemoOptions): Promise<number> {
  const { engine, reasons } = context.engine();
  context.note(`engine: ${engine.name} (${reasons.join("; ")})`);
  const config = await chooseGuest(context, options);
  await mkdir(options.folder, { recursive: true });
  await removeGuest(context, config.name);
  const receiver = await startReceiver(["--run-dir", context.runDir, "--engine", engine.name]);
  try {
    const migrated = await migrateNewGuest(context, { config, receiver, options });
    const proof = await prove(context, config, migrated);
    const image = path.join(options.folder, "demo.xl");
    await saveImage(context, config, image);
    context.announce({ image, profile: migrated.profileFile }, closingText(migrated, image));
    return proof.isProven ? EXIT.SUCCESS : EXIT.WORLD;
  } finally {
    await receiver.close();
    await removeGuest(context, config.name);
  }
}

/** The guest asked for, else a process guest, else (no Linux, no compiler) a synthetic one. */
async function chooseGuest(context: Context, options: DemoOptions): Promise<GuestConfig> {
  if (options.guest !== undefined) {
    return { ...parseGuestSpec(options.guest), name: GUEST_NAME };
  }
  const availability = await (await openBackend("process", context)).probe();
  const spec = availability.available ? PROCESS_GUEST : SYNTHETIC_GUEST;
  const why = availability.available
    ? availability.detail
    : `no process guest here: ${availability.reason}`;
  context.note(`guest: ${spec} (${why})`);
  return { ...parseGuestSpec(spec), name: GUEST_NAME };
}

async function removeGuest(context: Context, name: string): Promise<void> {
  const names = [name, `${name}--incoming`, `${name}--migratedaway`];
  const left = (await listGuests(context)).filter((guest) => names.includes(guest.name));
  for (const { name: leftName } of left) {
    const guest = await attachGuest(leftName, context);
    await guest.destroy();
    await guest.cleanup();
  }
}

interface Migrated {
  readonly profile: Profile;
  readonly profileFile: string;
  readonly vcpusAtStop: readonly VcpuCounters[];
}

async function migrateNewGuest(
  context: Context,
  task: {
    readonly config: GuestConfig;
    readonly receiver: ReceiverChild;
    readonly options: DemoOptions;
  },
): Promise<Migrated> {
  const { config, receiver, options } = task;
  const guest = await (await openBackend(config.kind, context)).create(config, "running");
  const connection = await connect(receiver.address);
  const profileFile = path.join(options.folder, "profile.json");
  let vcpusAtStop: readonly VcpuCounters[] = [];
  try {
    context.note(`log-dirty: ${guest.logDirty.method}; target: ${connection.peer}`);
    const transferTask = {
      operation: "migrate",
      guest,
      target: connection.peer,
      options: { ...TRANSFER_DEFAULTS, profile: profileFile },
    } as const;
    const profile = await runTransfer(context, transferTask, async (transfer) => {
      const outcome = await migrateGuest({ ...transfer, connection });
      vcpusAtStop = await outcome.vcpusAtStop;
      return outcome;
    });
    context.announce(profile, `\n${renderProfile(profile)}`);
    return { profile, profileFile, vcpusAtStop };
  } finally {
    await connection.close();
    await guest.cleanup();
  }
}

/** Has the guest at the destination prove its memory, and sees that it goes on. */
async function prove(context: Context, config: GuestConfig, { vcpusAtStop }: Migrated) {
  const guest = await attachGuest(config.name, context);
  try {
    const check = await guest.check();
    const stopped = totalStores(vcpusAtStop);
    const now = totalStores(check.vcpus);
    const wentOn = now > stopped || config.workload.storesPerSecond === 0;
    const holds = isProven(check) && wentOn;
    const text = [
      holds ? "proof: nothing was lost" : "proof FAILED",
      ...renderCheck(check).split("\n"),
      `the guest stopped at store ${formatCount(stopped)} here and is at ${formatCount(now)} there`,
    ];
    context.announce({ check, stopped, now, isProven: holds }, `\n${text.join("\n  ")}`);
    return { check, isProven: holds };
  } finally {
    await guest.cleanup();
  }
}

function totalStores(vcpus: readonly VcpuCounters[]): bigint {
  return vcpus.reduce((sum, vcpu) => sum + vcpu.stores, 0n);
}

/** Saves the guest that arrived, so that there is an image to look at. */
async function saveImage(context: Context, config: GuestConfig, file: string): Promise<void> {
  const guest = await attachGuest(config.name, context);
  try {
    const task = { operation: "save", guest, target: file, options: TRANSFER_DEFAULTS } as const;
    await runTransfer({ ...context, display: () => silentDisplay }, task, (transfer) =>
      saveGuest({ ...transfer, file, after: "destroy" }),
    );
  } finally {
    await guest.cleanup();
  }
}

function closingText({ profileFile }: Migrated, image: string): string {
  return [
    "",
    `profile: ${profileFile}`,
    `saved image: ${image}`,
    "",
    "next:",
    `  npx xenferry verify ${image}`,
    `  npx xenferry inspect ${image}`,
    `  npx xenferry restore ${image} --name again && npx xenferry check again`,
    "  npx xenferry migrate again localhost --downtime 10 && npx xenferry list",
    "  npx xenferry destroy again",
  ].join("\n");
}
