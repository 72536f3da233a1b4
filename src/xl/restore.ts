import type { Profile } from "../report/profile.ts";
import { failureOf, tellWords } from "./failure.ts";
import { runXl, type XlTask } from "./operation.ts";
import { profileOf } from "./outcome-profile.ts";

/** A restore of an image by `xl`. */
export interface XlRestore extends Omit<XlTask, "args"> {
  readonly file: string;
  /** Name of the guest in the image, for the profile. */
  readonly name: string;
  /** A file with a configuration that replaces the image's. */
  readonly config?: string | undefined;
  readonly isPaused: boolean;
  /** Whether an `xl` stays behind to wait for the domain's end. */
  readonly isMonitored: boolean;
  /** Takes the profile of a restore that failed, too. */
  readonly onProfile: (profile: Profile) => Promise<void>;
}

/** What was restored. */
export interface XlRestored {
  /** Undefined where a helper that is not ours did not say. */
  readonly domid: number | undefined;
  readonly totalMs: number;
  readonly profile: Profile | undefined;
}

/**
 * Has `xl` restore a domain.
 *
 * @throws MigrationError XL_FAILED, MIGRATION_INTERRUPTED; nothing of the guest is left then.
 */
export async function restoreByXl(restore: XlRestore): Promise<XlRestored> {
  const { file, config, name, signal, note, onProfile } = restore;
  const options = [...(restore.isPaused ? ["-p"] : []), ...(restore.isMonitored ? [] : ["-e"])];
  const files = config === undefined ? [file] : [config, file];
  const outcome = await runXl({ ...restore, args: ["restore", ...options, "--", ...files] });
  const profile = profileOf(outcome, { name, file });
  if (profile !== undefined) {
    await onProfile(profile);
  }
  const failure = failureOf(outcome, { command: "restore", signal });
  if (failure !== undefined) {
    tellWords(outcome, note);
    throw failure;
  }
  return { domid: outcome.near.domid, profile, totalMs: outcome.endMs - outcome.startMs };
}
