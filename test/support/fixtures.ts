import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../fixtures/xen-4.17/", import.meta.url));

/** Octets that Xen wrote. */
export function fixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(`${FOLDER}${name}.bin`));
}

/** What Xen's own tool said of them. */
export function fixtureText(name: string): string {
  return readFileSync(`${FOLDER}${name}.txt`, "utf8");
}
