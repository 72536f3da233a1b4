import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url));

/** Folder of material beside the checkout, which users do not have; `undefined` where absent. */
export const SHARED = [
  process.env.XENFERRY_SHARED,
  path.join(CHECKOUT, "..", "shared"),
  path.join(CHECKOUT, "..", "..", "shared"),
].find((folder) => folder !== undefined && existsSync(path.join(folder, "streams")));

/** Why tests over it are skipped. */
export const NO_SHARED = "skipped: no ../shared/streams beside the checkout";

/** Paths of the images of real Xen, without their ending; empty where there are none. */
export function sharedImages(): readonly string[] {
  if (SHARED === undefined) {
    return [];
  }
  const folder = path.join(SHARED, "streams");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".xl.zst"))
    .map((name) => path.join(folder, name.slice(0, -".xl.zst".length)));
}
