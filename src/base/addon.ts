import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import nodeGypBuild from "node-gyp-build";

/** A Linux add-on of ours, or why there is none. */
export type AddonProbe<Addon> =
  | { readonly addon: Addon; readonly reason?: undefined }
  | { readonly addon?: undefined; readonly reason: string };

/**
 * Loads an add-on that only Linux has; a second call gives the same.
 *
 * @param name its folder below native/, and its name in reasons.
 * @param abiVersion the version of its interface that the caller knows.
 */
export function probeAddon<Addon extends { readonly abiVersion: number }>(
  name: string,
  abiVersion: number,
): AddonProbe<Addon> {
  if (process.platform !== "linux") {
    return { reason: `it needs Linux, and this is ${process.platform}` };
  }
  const folder = fileURLToPath(new URL(`../../native/${name}`, import.meta.url));
  try {
    const addon = nodeGypBuild(folder) as Addon;
    return addon.abiVersion === abiVersion
      ? { addon }
      : { reason: `the ${name} add-on has ABI ${addon.abiVersion}, not ${abiVersion}; rebuild` };
  } catch (error) {
    const isBuilt = [path.join(folder, "build"), path.join(folder, "prebuilds")].some(existsSync);
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    return isBuilt
      ? { reason: `the ${name} add-on failed to load: ${reason}` }
      : { reason: `the ${name} add-on is not built (it needs python3, make and a C++ compiler)` };
  }
}
