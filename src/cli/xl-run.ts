import { MigrationError } from "../base/errors.ts";
import { machineTime } from "../migration/own-process.ts";
import { writeProfile } from "../migration/profile-file.ts";
import type { JoinedProfile } from "../report/joined-profile.ts";
import type { Profile } from "../report/profile.ts";
import type { XlTask } from "../xl/operation.ts";
import { type AskedSettings, helperVariables } from "../xl/settings.ts";
import type { Xl } from "../xl/xl.ts";
import type { Context } from "./context.ts";
import type { Beginning, Ending } from "./onlookers/onlooker.ts";
import { SAVE_HELPER } from "./xen-programs.ts";

/** What `xl` is to be run with. */
export interface XlRun extends Pick<Beginning, "operation" | "target" | "guest"> {
  readonly xl: Xl;
  readonly settings: AskedSettings;
  /** The file that the profile goes to. */
  readonly profile: string | undefined;
}

/** What every command that drives `xl` hands on. */
type CommonTask = Omit<XlTask, "args"> & {
  readonly onProfile: (profile: Profile | JoinedProfile) => Promise<void>;
};

/** Runs a command that drives `xl`, with its display, and keeps its profile if that is wanted. */
export async function runUnderXl<Result extends { readonly profile?: object | undefined }>(
  context: Context,
  { xl, settings, profile: file, ...begun }: XlRun,
  work: (task: CommonTask) => Promise<Result>,
): Promise<Result> {
  const display = context.display();
  const { signal, onlooker, clock } = context;
  const variables = helperVariables({ helper: SAVE_HELPER, settings }, xl.environment);
  const startMs = clock.nowMs();
  const startedAt = new Date().toISOString();
  onlooker.begins({ ...begun, startedAt, startMs, clock: machineTime() });
  let ending: Ending | undefined;
  const onProfile = async (profile: Profile | JoinedProfile) => {
    display.stop();
    ending = endingOf(profile);
    if (file !== undefined) {
      await writeProfile(file, profile);
    }
  };
  const end = (without: Pick<Ending, "outcome" | "errorCode">) => {
    const nothing = { totalMs: clock.nowMs() - startMs, totalBytes: 0, totalPagesSent: 0 };
    onlooker.ends(ending ?? { ...nothing, ...without });
  };
  try {
    const result = await work({
      xl,
      variables,
      signal,
      onProfile,
      onProgress: (progress) => {
        display.listener(progress);
        onlooker.sees(progress);
      },
      note: context.note,
    });
    if (file !== undefined && result.profile === undefined) {
      context.note(`no profile: ${variables.LIBXL_SAVE_HELPER} gave none`);
    }
    end({ outcome: "completed" });
    return result;
  } catch (error) {
    const errorCode = error instanceof MigrationError ? { errorCode: error.code } : {};
    end({ outcome: "failed", ...errorCode });
    throw error;
  } finally {
    display.stop();
  }
}

/** Of a migration, what the source's helper tells of it besides `xl`. */
function endingOf(profile: Profile | JoinedProfile): Ending {
  const { outcome, errorCode, totalMs, downtime, guest } = profile;
  const own = "joinedProfileVersion" in profile ? profile.source : profile;
  return {
    ...{ outcome, errorCode, totalMs, downtime, guest: guest.name },
    totalBytes: own?.totalBytes ?? 0,
    totalPagesSent: own?.totalPagesSent ?? 0,
    stopReason: own?.stopReason,
  };
}
