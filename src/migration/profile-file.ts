import { writeFile } from "node:fs/promises";
import os from "node:os";
import { MigrationError } from "../base/errors.ts";
import { packageVersion } from "../base/version.ts";
import type { PageEngine } from "../engine/types.ts";
import type { GuestConfig } from "../guest/types.ts";
import { PROFILE_VERSION, type Profile, profileSchema } from "../report/profile.ts";

/** What a profile says of its surroundings; the rest is what happened. */
export interface ProfileFrame {
  readonly operation: Profile["operation"];
  readonly engine: PageEngine;
  readonly guest: Pick<GuestConfig, "name" | "memoryBytes" | "vcpus"> & { readonly kind: string };
  readonly logDirty: string;
  readonly target: string;
  readonly startedAt: Date;
}

type FramedFields = keyof ReturnType<typeof frameProfile>;

/** Completes a profile with machine, versions, engine and guest. */
export function makeProfile(frame: ProfileFrame, happened: Omit<Profile, FramedFields>): Profile {
  return profileSchema.parse({ ...frameProfile(frame), ...happened });
}

/** Writes a profile. @throws MigrationError TRANSPORT_OPEN */
export async function writeProfile(file: string, profile: Profile): Promise<void> {
  try {
    await writeFile(file, `${JSON.stringify(profile, null, 2)}\n`);
  } catch (error) {
    throw new MigrationError("TRANSPORT_OPEN", { file }, error);
  }
}

function frameProfile({ operation, engine, guest, logDirty, target, startedAt }: ProfileFrame) {
  const { name, kind, memoryBytes, vcpus } = guest;
  return {
    profileVersion: PROFILE_VERSION as typeof PROFILE_VERSION,
    operation,
    startedAt: startedAt.toISOString(),
    machine: {
      platform: os.platform(),
      kernel: os.release(),
      arch: os.arch(),
      cpu: cpuModel(),
      cpuCount: os.availableParallelism(),
      node: process.version,
    },
    xenferry: packageVersion(),
    engine: { name: engine.name, variants: { ...engine.variants } },
    guest: { name, kind, memoryBytes, vcpus, logDirty },
    target,
  };
}

function cpuModel(): string {
  return os.cpus()[0]?.model ?? "unknown";
}
