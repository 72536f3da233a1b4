import { setTimeout } from "node:timers/promises";
import type { ByteSink } from "../base/io.ts";
import type { PumpAddon } from "../transport/pump-addon.ts";
import { throwIfInterrupted } from "./interruption.ts";

/** How often the kernel is asked (ms). */
const POLL_MS = 1;

/**
 * Waits until the peer has taken what was written to `sink`, as far as the kernel knows.
 *
 * @param addon what asks it; without, nothing is waited for.
 * @throws MigrationError MIGRATION_INTERRUPTED
 */
export async function drainPipe(
  addon: PumpAddon | undefined,
  sink: ByteSink,
  signal: AbortSignal,
): Promise<void> {
  const isQueued = () =>
    sink.direct !== undefined && addon !== undefined && addon.queuedBytes(sink.direct.fd) > 0;
  while (isQueued()) {
    throwIfInterrupted(signal);
    await setTimeout(POLL_MS);
  }
}
