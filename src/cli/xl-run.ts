import { writeProfile } from "../migration/profile-file.ts";
import type { XlTask } from "../xl/operation.ts";
import { type AskedSettings, helperVariables } from "../xl/settings.ts";
import type { Xl } from "../xl/xl.ts";
import type { Context } from "./context.ts";
import { SAVE_HELPER } from "./xen-programs.ts";

/** What `xl` is to be run with. */
export interface XlRun {
  readonly xl: Xl;
  readonly settings: AskedSettings;
  /** The file that the profile goes to. */
  readonly profile: string | undefined;
}

/** What every command that drives `xl` hands on. */
type CommonTask = Omit<XlTask, "args"> & {
  readonly onProfile: (profile: object) => Promise<void>;
};

/** Runs a command that drives `xl`, with its display, and keeps its profile if that is wanted. */
export async function runUnderXl<Result extends { readonly profile?: object | undefined }>(
  context: Context,
  { xl, settings, profile: file }: XlRun,
  work: (task: CommonTask) => Promise<Result>,
): Promise<Result> {
  const display = context.display();
  const { signal } = context;
  const variables = helperVariables({ helper: SAVE_HELPER, settings }, xl.environment);
  const onProfile = async (profile: object) => {
    display.stop();
    if (file !== undefined) {
      await writeProfile(file, profile);
    }
  };
  try {
    const result = await work({
      xl,
      variables,
      signal,
      onProfile,
      onProgress: display.listener,
      note: context.note,
    });
    if (file !== undefined && result.profile === undefined) {
      context.note(`no profile: ${variables.LIBXL_SAVE_HELPER} gave none`);
    }
    return result;
  } finally {
    display.stop();
  }
}
