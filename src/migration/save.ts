import type { Downtime } from "../report/profile.ts";
import { createFileSink } from "../transport/file-sink.ts";
import { downtimeOf } from "./downtime.ts";
import { type TransferOptions, type TransferOutcome, transferGuest } from "./transfer.ts";

/** What becomes of the guest once its image is complete. */
export type AfterSave = "destroy" | "continue" | "pause";

/** A save that ended well. */
export interface SaveOutcome extends TransferOutcome {
  /** Only where the guest goes on here. */
  readonly downtime: Downtime | undefined;
  readonly totalBytes: number;
}

/**
 * Saves a guest to a file: written under a temporary name, made durable, then renamed.
 *
 * A guest that goes on does so when its last page is in the kernel's hands, not when the disk has
 * it; one that is destroyed is so only when the file is complete. A failed save leaves the guest as
 * it was, and no file.
 *
 * @throws MigrationError as `transferGuest`; TRANSPORT_OPEN
 */
export async function saveGuest(
  options: Omit<TransferOptions, "sink"> & { readonly file: string; readonly after: AfterSave },
): Promise<SaveOutcome> {
  const { guest, file, after, clock, onProgress } = options;
  const sink = await createFileSink(file);
  try {
    const outcome = await transferGuest({ ...options, sink });
    const handedOverMs = clock.nowMs();
    if (after === "continue") {
      await outcome.takeBack();
    }
    const resumedMs = clock.nowMs();
    await endOrTakeBack(sink, outcome, after);
    if (after === "destroy") {
      await guest.destroy();
    }
    onProgress({ kind: "phase", phase: "done" });
    const downtime =
      after === "continue" ? downtimeOf(outcome, handedOverMs, resumedMs) : undefined;
    return { ...outcome, downtime, totalBytes: sink.offset };
  } finally {
    await sink.abort();
  }
}

async function endOrTakeBack(
  sink: Awaited<ReturnType<typeof createFileSink>>,
  outcome: TransferOutcome,
  after: AfterSave,
): Promise<void> {
  try {
    await sink.end();
  } catch (error) {
    if (after !== "continue") {
      await outcome.takeBack();
    }
    throw error;
  }
}
