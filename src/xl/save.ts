import { open, rename, rm } from "node:fs/promises";
import { MigrationError } from "../base/errors.ts";
import type { Profile } from "../report/profile.ts";
import { temporaryBeside } from "../transport/file-sink.ts";
import type { ListedDomain } from "./domains.ts";
import { failureOf, tellWords } from "./failure.ts";
import { runXl, type XlTask } from "./operation.ts";
import { profileOf, withDowntimeOf } from "./outcome-profile.ts";
import { guestState } from "./state.ts";

/** A save of a domain by `xl`. */
export interface XlSave extends Omit<XlTask, "args"> {
  readonly domain: ListedDomain;
  readonly file: string;
  /** What becomes of the guest. */
  readonly after: "destroy" | "continue" | "pause";
  /** Takes the profile of a save that failed, too. */
  readonly onProfile: (profile: Profile) => Promise<void>;
}

/** What was saved. */
export interface XlSaved {
  readonly bytes: number;
  readonly totalMs: number;
  /** Undefined where a helper that is not ours gave none. */
  readonly profile: Profile | undefined;
}

const AFTER_OPTIONS = { destroy: [], continue: ["-c"], pause: ["-p"] } as const;

/**
 * Has `xl` save a domain. The file appears under its name when it is complete and on disk; where
 * the guest ends with its save, `xl` has by then destroyed it.
 *
 * @throws MigrationError XL_FAILED, MIGRATION_INTERRUPTED; TRANSPORT_OPEN, TRANSPORT_LOST the file
 */
export async function saveByXl(save: XlSave): Promise<XlSaved> {
  const { xl, domain, file, after, signal, note, onProfile } = save;
  const temporary = temporaryBeside(file);
  await createFile(temporary, file);
  const args = ["save", ...AFTER_OPTIONS[after], "--", String(domain.domid), temporary];
  const outcome = await runXl({ ...save, args });
  const told = profileOf(outcome, { name: domain.name, file });
  const profile = told && withDowntimeOf(outcome, told, after === "continue" ? "goes on" : "stays");
  if (profile !== undefined) {
    await onProfile(profile);
  }
  const guest = outcome.status === 0 ? undefined : await guestState(xl, domain);
  const failure = failureOf(outcome, { command: "save", signal, guest });
  if (failure !== undefined) {
    tellWords(outcome, note);
    await rm(temporary, { force: true });
    throw failure;
  }
  const bytes = await keepFile(temporary, file);
  return { bytes, profile, totalMs: outcome.endMs - outcome.startMs };
}

/** For the owner only, which `xl` leaves as it is. */
async function createFile(temporary: string, file: string): Promise<void> {
  try {
    const handle = await open(temporary, "wx", 0o600);
    await handle.close();
  } catch (error) {
    throw new MigrationError("TRANSPORT_OPEN", { file }, error);
  }
}

/** @returns octets of the file. */
async function keepFile(temporary: string, file: string): Promise<number> {
  try {
    const handle = await open(temporary, "r+");
    try {
      await handle.sync();
      const { size } = await handle.stat();
      await rename(temporary, file);
      return size;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new MigrationError("TRANSPORT_LOST", { file, kept: temporary }, error);
  }
}
