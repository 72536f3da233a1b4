import { writeFile } from "node:fs/promises";
import { MigrationError } from "../base/errors.ts";
import { type Profile, profileSchema } from "../report/profile.ts";
import { composeProfile, type ProfileContent, type ProfileFrame } from "./profile-frame.ts";

/** Completes a profile with machine, versions, engine and guest, and checks it. */
export function makeProfile(frame: ProfileFrame, content: ProfileContent): Profile {
  return profileSchema.parse(composeProfile(frame, content));
}

/** Writes a profile, of whatever schema. @throws MigrationError TRANSPORT_OPEN */
export async function writeProfile(file: string, profile: object): Promise<void> {
  try {
    await writeFile(file, `${JSON.stringify(profile, null, 2)}\n`);
  } catch (error) {
    throw new MigrationError("TRANSPORT_OPEN", { file }, error);
  }
}
