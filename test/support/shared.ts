import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * The folder of material shared between projects, which is no part of this one: XENFERRY_SHARED,
 * or `shared` beside the checkout or one level above.
 *
 * `undefined` where there is none: tests over it are then skipped, with {@link NO_SHARED}.
 */
export function sharedFolder(): string | undefined {
  const { XENFERRY_SHARED } = process.env;
  const places = [
    XENFERRY_SHARED,
    path.join(ROOT, "..", "shared"),
    path.join(ROOT, "..", "..", "shared"),
  ];
  return places.find((place) => place !== undefined && existsSync(path.join(place, "streams")));
}

/** Why tests are skipped without it. */
export const NO_SHARED = "needs real streams in ../shared/streams, which are not there";
