import type { Profile } from "../report/profile.ts";
import type { XlOutcome } from "./operation.ts";

/**
 * The profile of a save or restore: the helper's, with the guest's name and the file's in place of
 * numbers that only libxl knows. Undefined where the helper gave none.
 */
export function profileOf(
  { near }: XlOutcome,
  { name, file }: { readonly name: string; readonly file: string },
): Profile | undefined {
  const { profile } = near;
  return profile && { ...profile, guest: { ...profile.guest, name }, target: file };
}
