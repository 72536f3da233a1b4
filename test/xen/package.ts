/** What dom0 gets of the checkout: the built package and what it depends on, in one archive. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Programs } from "./matrix.ts";

const HELPER = "dist/helper/main.cjs";

/** Where dom0 unpacks the archive. */
export const UNPACKED = "/tmp/xenferry";

/** What stands in for Xen's own there. */
export const PROGRAMS: Programs = {
  helper: path.join(UNPACKED, HELPER),
  converter: path.join(UNPACKED, "dist/cli/convert-legacy-stream/main.js"),
};

export function hasHelper(root: string): boolean {
  return existsSync(path.join(root, HELPER));
}

/** Writes an archive of the package as npm would install it; an empty one without a helper. */
export function pack(root: string, archive: string): void {
  const names = hasHelper(root)
    ? ["package.json", "dist", ...addOns(root), ...dependencies(root)]
    : ["package.json"];
  // npm makes a package's programs executable.
  const { status } = spawnSync("tar", ["--mode=+x", "-C", root, "-cf", archive, ...names]);
  if (status !== 0) {
    throw new Error(`tar ended with status ${status}`);
  }
}

function addOns(root: string): readonly string[] {
  return readdirSync(path.join(root, "native"))
    .map((room) => path.join("native", room, "build", "Release", `${room}.node`))
    .filter((file) => existsSync(path.join(root, file)));
}

function dependencies(root: string): readonly string[] {
  const lock = JSON.parse(readFileSync(path.join(root, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
  };
  return Object.entries(lock.packages)
    .filter(([folder, { dev }]) => /^node_modules\/[^/]+(\/[^/]+)?$/.test(folder) && dev !== true)
    .map(([folder]) => folder)
    .filter((folder) => existsSync(path.join(root, folder)));
}
