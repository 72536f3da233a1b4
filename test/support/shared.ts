import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { wholeImage } from "./whole-image.ts";

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

/** Names of the real images in `streams`, without `.xl.zst`; none where there is no such folder. */
export function sharedImages(): readonly string[] {
  const folder = path.join(sharedFolder() ?? "", "streams");
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(".xl.zst"))
        .map((name) => name.replace(".xl.zst", ""))
    : [];
}

/** All octets of a real image, decompressed. */
export async function sharedImage(name: string): Promise<Uint8Array> {
  return await wholeImage(path.join(sharedFolder() ?? "", "streams", `${name}.xl.zst`));
}
