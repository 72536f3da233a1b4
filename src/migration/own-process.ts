import { readFileSync } from "node:fs";
import { machineClock } from "../base/clock.ts";
import type { Profile } from "../report/profile.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/**
 * The machine's clock now, as profiles have it; none where the system does not say which of its
 * boots this is.
 */
export function machineTime(): Profile["clock"] {
  try {
    return { bootId: readFileSync(BOOT_ID, "latin1").trim(), startMs: machineClock.nowMs() };
  } catch {
    return undefined;
  }
}

/** Measures what this process uses from the meter's making on. */
export class ResourceMeter {
  readonly #before = process.resourceUsage();

  /** Up to now; of memory since the process was started. */
  used(): NonNullable<Profile["resources"]> {
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
    return {
      cpuUserMs: (userCPUTime - this.#before.userCPUTime) / 1000,
      cpuSystemMs: (systemCPUTime - this.#before.systemCPUTime) / 1000,
      memoryBytesMax: maxRSS * 1024,
    };
  }
}
