import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { MigrationError } from "../../base/errors.ts";
import type { LaunchOptions } from "../embedded.ts";
import { CONTROL_SOCKET } from "../registry.ts";
import type { GuestConfig, LogDirty } from "../types.ts";
import { pfnCountOf } from "../workload.ts";

/** The guest program. */
export const GUEST_PROGRAM = fileURLToPath(
  new URL("../../../native/guest/build/Release/xenferry-guest", import.meta.url),
);

/** Whether the guest program was built. */
export function hasGuestProgram(): boolean {
  return existsSync(GUEST_PROGRAM);
}

/** How a guest program starts. */
export interface ProcessLaunchOptions extends LaunchOptions {
  readonly logDirty: LogDirty["method"] | "auto";
}

/**
 * Starts a guest program, which outlives this process, and waits until its memory is filled and
 * its control socket answers.
 *
 * @returns its pid.
 * @throws MigrationError GUEST_UNAVAILABLE with what the program said
 */
export async function launchGuest(
  config: GuestConfig,
  options: ProcessLaunchOptions,
): Promise<number> {
  const child = spawn(GUEST_PROGRAM, guestArguments(config, options), {
    cwd: options.folder,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = await readyOrReason(child);
  child.stdout.destroy();
  child.stderr.destroy();
  child.unref();
  if (said !== "ready" || child.pid === undefined) {
    throw new MigrationError("GUEST_UNAVAILABLE", { guest: config.name, reason: said });
  }
  return child.pid;
}

function guestArguments(config: GuestConfig, options: ProcessLaunchOptions): readonly string[] {
  const { workload } = config;
  const values = {
    seed: workload.seed,
    pages: pfnCountOf(config),
    "working-set": workload.workingSetPages,
    vcpus: config.vcpus,
    "stores-per-second": workload.storesPerSecond,
    "read-share": workload.readShare,
    pattern: workload.pattern,
    fill: workload.fill,
    socket: CONTROL_SOCKET,
    "log-dirty": options.logDirty,
    "start-as": options.startAs,
  };
  return Object.entries(values).map(([key, value]) => `${key}=${value}`);
}

/** Resolves to "ready", or to what the program said instead. */
function readyOrReason(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let complaint = "";
    child.stdout?.once("data", (chunk: Buffer) => resolve(chunk.toString().trim()));
    child.stderr?.on("data", (chunk: Buffer) => {
      complaint += chunk.toString();
    });
    child.once("error", (error) => resolve(error.message));
    child.once("close", (status) => resolve(complaint.trim() || `it ended with status ${status}`));
  });
}
