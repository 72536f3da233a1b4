import os from "node:os";
import { packageVersion } from "../base/version.ts";
import type { PageEngine } from "../engine/types.ts";
import type { GuestConfig } from "../guest/types.ts";
import type { Profile } from "../report/profile.ts";

/** What a profile says of its surroundings; the rest is what happened. */
export interface ProfileFrame {
  readonly operation: Profile["operation"];
  readonly engine: PageEngine;
  readonly guest: Pick<GuestConfig, "name" | "memoryBytes" | "vcpus"> & { readonly kind: string };
  readonly logDirty: string;
  readonly target: string;
  readonly startedAt: Date;
}

/** What happened: a profile without its frame. */
export type ProfileContent = Omit<Profile, keyof ReturnType<typeof frameProfile>>;

/** The version that this writes; PROFILE_VERSION is beside the schema, which takes time to load. */
const VERSION: Profile["profileVersion"] = 1;

/** A profile with machine, versions, engine and guest, not checked. */
export function composeProfile(frame: ProfileFrame, content: ProfileContent): Profile {
  return { ...frameProfile(frame), ...content };
}

function frameProfile({ operation, engine, guest, logDirty, target, startedAt }: ProfileFrame) {
  const { name, kind, memoryBytes, vcpus } = guest;
  return {
    profileVersion: VERSION,
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
