import type { Profile } from "../report/profile.ts";
import type { XlOutcome } from "./operation.ts";

/**
 * The downtime of a save whose guest goes on ends with `xl`: a little after the guest was resumed.
 * Other saves have none.
 */
export function withDowntimeOf(
  { near, endMs }: XlOutcome,
  profile: Profile,
  guest: "goes on" | "stays",
): Profile {
  const { downtime, ...rest } = profile;
  const sentMs = near.steps.get("sent");
  if (downtime === undefined || sentMs === undefined || guest === "stays") {
    return rest;
  }
  const resumeMs = endMs - sentMs;
  return { ...rest, downtime: { ...downtime, resumeMs, totalMs: downtime.totalMs + resumeMs } };
}

/**
 * The profile of a save or restore: the helper's, with the guest's name and the file's in place of
 * numbers that only libxl knows, and the time of all that `xl` did.
 *
 * @returns undefined where the helper gave none.
 */
export function profileOf(
  { near, startMs, endMs }: XlOutcome,
  { name, file }: { readonly name: string; readonly file: string },
): Profile | undefined {
  const { profile } = near;
  if (profile === undefined) {
    return undefined;
  }
  const guest = { ...profile.guest, name };
  return { ...profile, guest, target: file, totalMs: endMs - startMs };
}
