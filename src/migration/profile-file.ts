import { type Profile, profileSchema } from "../report/profile.ts";
import { replaceFile } from "../transport/text-file.ts";
import { composeProfile, type ProfileContent, type ProfileFrame } from "./profile-frame.ts";

/** A list of numbers as `JSON.stringify` lays it out; no string holds a line feed as such. */
const NUMBERS = /\[\n[\d\s.,eE+-]+\]/g;

/** Completes a profile with machine, versions, engine and guest, and checks it. */
export function makeProfile(frame: ProfileFrame, content: ProfileContent): Profile {
  return profileSchema.parse(composeProfile(frame, content));
}

/** Writes a profile, of whatever schema. @throws MigrationError TRANSPORT_OPEN */
export async function writeProfile(file: string, profile: object): Promise<void> {
  await replaceFile(file, `${profileText(profile)}\n`);
}

/** A profile as JSON for people, too: lists of numbers have a line each. */
function profileText(profile: object): string {
  return JSON.stringify(profile, null, 2).replace(NUMBERS, (list) => list.replaceAll(/\s+/g, ""));
}
