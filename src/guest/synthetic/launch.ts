import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type ErrorCode, type ErrorFacts, MigrationError } from "../../base/errors.ts";
import type { LaunchOptions } from "../embedded.ts";
import type { GuestConfig } from "../types.ts";

/** What a host process is told to be. */
export interface HostOrder extends LaunchOptions {
  readonly config: GuestConfig;
}

/** What a host process answers: it is ready, or why not. */
export interface HostReport {
  readonly error?: { readonly code: ErrorCode; readonly where: ErrorFacts };
}

/** The host's program: always the compiled one, so that no loader is needed. */
export const HOST_PROGRAM = fileURLToPath(
  new URL("../../../dist/guest/synthetic/host-main.js", import.meta.url),
);

/** What the host says besides its report, within the guest's folder. */
const LOG_FILE = "host.log";

/** Whether the host's program was built. */
export function hasHostProgram(): boolean {
  return existsSync(HOST_PROGRAM);
}

/**
 * Starts a host process, which outlives this one, and waits until its memory is filled and its
 * control socket answers.
 *
 * @returns its pid.
 * @throws MigrationError GUEST_UNAVAILABLE, GUEST_CONFIG
 */
export async function launchHost(config: GuestConfig, options: LaunchOptions): Promise<number> {
  const logFile = path.join(options.folder, LOG_FILE);
  const logFd = openSync(logFile, "a", 0o600);
  const child = spawn(process.execPath, [HOST_PROGRAM], {
    detached: true,
    serialization: "advanced",
    stdio: ["ignore", "ignore", logFd, "ipc"],
  });
  closeSync(logFd);
  const order: HostOrder = { ...options, config };
  const { error } = await reportOf(child, order, logFile);
  child.unref();
  if (error !== undefined || child.pid === undefined) {
    throw new MigrationError(error?.code ?? "GUEST_UNAVAILABLE", {
      guest: config.name,
      ...error?.where,
    });
  }
  return child.pid;
}

function reportOf(child: ChildProcess, order: HostOrder, logFile: string): Promise<HostReport> {
  return new Promise((resolve) => {
    const unavailable = (reason: string) =>
      resolve({ error: { code: "GUEST_UNAVAILABLE", where: { reason } } });
    const onExit = (status: number | null, signal: string | null) => {
      const said = readFileSync(logFile, "utf8").trim().slice(-1000);
      unavailable(said === "" ? `it ended with ${signal ?? `status ${status}`}` : said);
    };
    child.once("error", (error) => unavailable(error.message));
    child.once("exit", onExit);
    child.once("message", (report: HostReport) => {
      child.off("exit", onExit);
      resolve(report);
    });
    // A child that is gone already has no channel; its exit tells more than this error.
    child.send(order, () => undefined);
  });
}
