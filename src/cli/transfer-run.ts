import { MigrationError } from "../base/errors.ts";
import type { GuestSource } from "../guest/types.ts";
import { makeProfile, writeProfile } from "../migration/profile-file.ts";
import type { ProfileFrame } from "../migration/profile-frame.ts";
import type { ProgressListener } from "../migration/progress.ts";
import type { PumpOptions } from "../migration/pump.ts";
import type { ChannelsUsed } from "../migration/source-channels.ts";
import type { TransferOptions, TransferOutcome } from "../migration/transfer.ts";
import type { Downtime, IterationStatistics, Profile } from "../report/profile.ts";
import type { Context } from "./context.ts";
import { policyOf, type TransferCliOptions } from "./transfer-options.ts";

/** What the command is about. */
export interface TransferTask {
  readonly operation: "save" | "migrate";
  readonly guest: GuestSource;
  readonly target: string;
  readonly options: TransferCliOptions;
  /** How the file is written, of a save. */
  readonly file?: Pick<PumpOptions, "alignsPages" | "fileAccess">;
}

/** What a save or migration reports when it ends well. */
export interface TransferResult extends TransferOutcome, Partial<ChannelsUsed> {
  readonly downtime: Downtime | undefined;
  readonly totalBytes: number;
}

/**
 * Runs a save or migration with the display, engine and policy that the command line asks for.
 *
 * @param work does it, with the options it is given.
 * @returns the profile, which is also written where `--profile` says; of a failure, too.
 */
export async function runTransfer(
  context: Context,
  task: TransferTask,
  work: (options: Omit<TransferOptions, "sink">) => Promise<TransferResult>,
): Promise<Profile> {
  const { guest, options } = task;
  const { engine } = context.engine();
  const display = context.display();
  const iterations: IterationStatistics[] = [];
  const onProgress: ProgressListener = (event) => {
    if (event.kind === "iteration") {
      iterations.push(event.statistics);
    }
    display.listener(event);
  };
  const frame: ProfileFrame = {
    operation: task.operation,
    engine,
    guest: guest.config,
    logDirty: guest.logDirty.method,
    target: task.target,
    startedAt: new Date(),
  };
  const policy = await policyOf(options);
  const mode = options.live ? "live" : "non-live";
  const startMs = context.clock.nowMs();
  const finish = async (ending: ProfileEnding) => {
    display.stop();
    const totals = {
      iterations,
      totalMs: context.clock.nowMs() - startMs,
      totalPagesSent: iterations.reduce((sum, entry) => sum + entry.pagesSent, 0),
      policy: { name: policy.name, parameters: { ...policy.parameters } },
      mode,
    } as const;
    const profile = makeProfile(frame, { ...totals, ...ending });
    if (options.profile !== undefined) {
      await writeProfile(options.profile, profile);
    }
    return profile;
  };
  const { clock, signal } = context;
  try {
    const { zeroPages, bandwidthMax: bytesPerSecondMax, skipUnchanged: skipsUnchanged } = options;
    const result = await work({
      guest,
      engine,
      mode,
      policy,
      clock,
      onProgress,
      signal,
      zeroPages,
      throttles: options.throttle,
      pump: { bytesPerSecondMax, skipsUnchanged, ...task.file },
    });
    const { directBytes } = result;
    return await finish({ ...endingOf(result), ...(task.file && { directBytes }) });
  } catch (error) {
    await finish(failureOf(error, iterations));
    throw error;
  }
}

type ProfileEnding = Pick<
  Profile,
  | "outcome"
  | "errorCode"
  | "stopReason"
  | "pump"
  | "directBytes"
  | "channels"
  | "compression"
  | "downtime"
  | "totalBytes"
>;

function endingOf(result: TransferResult): ProfileEnding {
  const { stopReason, pump, totalBytes, channels, compression, downtime } = result;
  return {
    outcome: "completed",
    stopReason,
    pump,
    totalBytes,
    ...(channels && { channels }),
    ...(compression && { compression }),
    ...(downtime && { downtime }),
  };
}

function failureOf(error: unknown, iterations: readonly IterationStatistics[]): ProfileEnding {
  return {
    outcome: "failed",
    totalBytes: iterations.reduce((sum, entry) => sum + entry.bytes, 0),
    ...(error instanceof MigrationError && { errorCode: error.code }),
  };
}
