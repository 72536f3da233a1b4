import { MigrationError } from "../base/errors.ts";
import type { GuestSource } from "../guest/types.ts";
import type { ProfileContent, ProfileFrame } from "../migration/profile-frame.ts";
import type { ProgressListener } from "../migration/progress.ts";
import type { PumpOptions } from "../migration/pump.ts";
import type { ChannelsUsed } from "../migration/source-channels.ts";
import type { TransferOptions, TransferOutcome } from "../migration/transfer.ts";
import type { Downtime, IterationStatistics, Profile } from "../report/profile.ts";
import type { Context } from "./context.ts";
import { describeError } from "./exit.ts";
import { Operation } from "./operation.ts";
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
  const { clock, signal } = context;
  const policy = await policyOf(options);
  const display = context.display();
  const iterations: IterationStatistics[] = [];
  const mode = options.live ? "live" : "non-live";
  const operation = new Operation(context, {
    operation: task.operation,
    target: task.target,
    profile: options.profile,
    sent: { guest, engine },
  });
  const onProgress: ProgressListener = (event) => {
    if (event.kind === "iteration") {
      iterations.push(event.statistics);
    }
    operation.listener(event);
    display.listener(event);
  };
  const frame = frameOf(task, { engine, startedAt: operation.startedAt });
  const finish = (ending: ProfileEnding) => {
    display.stop();
    const totalPagesSent = iterations.reduce((sum, entry) => sum + entry.pagesSent, 0);
    const named = { name: policy.name, parameters: { ...policy.parameters } };
    return operation.end(frame, { iterations, totalPagesSent, policy: named, mode, ...ending });
  };
  const { zeroPages, bandwidthMax: bytesPerSecondMax, skipUnchanged: skipsUnchanged } = options;
  let result: TransferResult;
  try {
    result = await work({
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
      startMs: operation.startMs,
      watch: operation.watch,
    });
  } catch (error) {
    await finish(failureOf(error, iterations)).catch((second: unknown) => {
      context.note(describeError(second, "text"));
    });
    throw error;
  }
  const { directBytes } = result;
  return finish({ ...endingOf(result), ...(task.file && { directBytes }) });
}

function frameOf(
  { operation, guest, target }: TransferTask,
  common: Pick<ProfileFrame, "engine" | "startedAt">,
): ProfileFrame {
  return { operation, guest: guest.config, logDirty: guest.logDirty.method, target, ...common };
}

type ProfileEnding = Omit<
  ProfileContent,
  "iterations" | "totalPagesSent" | "policy" | "mode" | "totalMs"
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
