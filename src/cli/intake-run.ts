import { MigrationError } from "../base/errors.ts";
import type { GuestConfig } from "../guest/types.ts";
import type { ProfileContent } from "../migration/profile-frame.ts";
import type { ProgressListener } from "../migration/progress.ts";
import type { IntakeParts } from "../report/profile.ts";
import type { Context } from "./context.ts";
import { describeError } from "./exit.ts";
import { Operation, type OperationTask } from "./operation.ts";

/** What the command is about; its target is the file or the peer that the guest comes from. */
export type IntakeTask = Pick<OperationTask, "target" | "profile"> & {
  readonly operation: "restore" | "receive";
};

/** What a restore or receipt reports when it ends well. */
interface IntakeResult {
  readonly pages: number;
  readonly bytes: number;
  readonly directBytes?: number;
  readonly intake: IntakeParts;
}

/** What the work of {@link runIntake} tells. */
export interface IntakeHooks {
  readonly onProgress: ProgressListener;
  /** Takes the guest that is being made; without one there is no profile. */
  readonly makes: (guest: GuestConfig) => void;
}

/** Runs a restore or receipt, and writes its profile where that is wanted; of a failure, too. */
export async function runIntake<Result extends IntakeResult>(
  context: Context,
  task: IntakeTask,
  work: (hooks: IntakeHooks) => Promise<Result>,
): Promise<Result> {
  const { engine } = context.engine();
  const operation = new Operation(context, task);
  const { startedAt } = operation;
  let made: GuestConfig | undefined;
  const finish = async (content: Omit<ProfileContent, "totalMs" | "iterations">) => {
    const frame = made && { ...task, engine, guest: made, logDirty: "none", startedAt };
    await operation.end(frame, { iterations: [], ...content });
  };
  let result: Result;
  try {
    result = await work({
      onProgress: operation.listener,
      makes: (guest) => {
        made = guest;
        operation.names(guest.name);
      },
    });
  } catch (error) {
    const errorCode = error instanceof MigrationError ? { errorCode: error.code } : {};
    const nothing = { outcome: "failed", totalBytes: 0, totalPagesSent: 0 } as const;
    await finish({ ...nothing, ...errorCode }).catch((second: unknown) => {
      context.note(describeError(second, "text"));
    });
    throw error;
  }
  const { pages: totalPagesSent, bytes: totalBytes, directBytes, intake } = result;
  await finish({
    outcome: "completed",
    totalPagesSent,
    totalBytes,
    ...(directBytes !== undefined && { directBytes }),
    intake,
  });
  return result;
}
