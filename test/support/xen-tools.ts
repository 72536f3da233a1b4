import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const CACHE = fileURLToPath(new URL("../../.setup/xen-utils", import.meta.url));
const PACKAGE = "xen-utils-4.17";
const COMMAND_TIMEOUT_MS = 60_000;

/** Xen's own checker, and the folder of the Python modules it needs. */
export interface VerifyStreamV2 {
  readonly script: string;
  readonly modules: string;
}

/**
 * Finds Debian's package with verify-stream-v2, unpacked into a cache of the checkout, or fetches
 * it where there is apt.
 *
 * @returns why it is not to be had, where it is not.
 */
export function findVerifyStreamV2(): VerifyStreamV2 | string {
  if (!existsSync(path.join(CACHE, "usr"))) {
    mkdirSync(CACHE, { recursive: true });
    const isFetched = fetchPackage() || (run("apt-get", ["update", "-qq"]) && fetchPackage());
    if (!isFetched) {
      return `${PACKAGE} cannot be fetched with apt-get here`;
    }
  }
  const root = path.join(CACHE, "usr", "lib", "xen-4.17");
  const script = path.join(root, "bin", "verify-stream-v2");
  const modules = path.join(root, "lib", "python");
  if (!existsSync(script) || !existsSync(modules)) {
    return `${PACKAGE} is not laid out as known`;
  }
  return run("python3", ["--version"]) ? { script, modules } : "there is no python3";
}

function fetchPackage(): boolean {
  const isDownloaded = run("apt-get", ["download", "-qq", PACKAGE]);
  const file = readdirSync(CACHE).find((name) => name.endsWith(".deb"));
  return isDownloaded && file !== undefined && run("dpkg", ["-x", file, "."]);
}

function run(program: string, args: readonly string[]): boolean {
  const options = { cwd: CACHE, stdio: "ignore", timeout: COMMAND_TIMEOUT_MS } as const;
  return spawnSync(program, args, options).status === 0;
}
