import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { MigrationError } from "../base/errors.ts";
import { type Address, parseAddress } from "../transport/address.ts";

/** A receiver in a process of its own. */
export interface ReceiverChild {
  readonly address: Exclude<Address, { kind: "local" }>;
  readonly pid: number;
  /** Waits for it to end by itself, or ends it if it is still waiting for a guest. */
  close(): Promise<void>;
}

/** The compiled entry point, for processes of our own. */
export const MAIN_SCRIPT = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/**
 * Starts `xenferry receive` on a free TCP port of this machine.
 *
 * @param args global options to hand on, such as `--run-dir`.
 * @param stderr what becomes of what it says about failures.
 * @throws MigrationError TRANSPORT_OPEN
 */
export async function startReceiver(
  args: readonly string[],
  stderr: "inherit" | "ignore" = "inherit",
): Promise<ReceiverChild> {
  const receive = ["receive", "--json", "--listen", "tcp://127.0.0.1:0"];
  const child = spawn(process.execPath, [MAIN_SCRIPT, ...args, ...receive], {
    stdio: ["ignore", "pipe", stderr],
    detached: true,
  });
  const address = parseAddress(await firstListening(child));
  if (address.kind === "local") {
    throw new MigrationError("TRANSPORT_ADDRESS", { address: "localhost" });
  }
  return { address, pid: child.pid ?? 0, close: () => endChild(child) };
}

async function firstListening(child: ChildProcess): Promise<string> {
  const lines = createInterface({ input: child.stdout! });
  for await (const line of lines) {
    const event = JSON.parse(line) as { readonly listening?: string };
    if (event.listening !== undefined) {
      child.stdout!.resume();
      return event.listening;
    }
  }
  throw new MigrationError("TRANSPORT_OPEN", { receiver: "ended before it listened" });
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) {
    return;
  }
  child.kill("SIGTERM");
  await once(child, "exit");
}
