import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = path.join(projectFolder(), "test", "fixtures", "xen-4.17", path.sep);

/** Where package.json is, whether this file runs as it is or compiled, below build/. */
function projectFolder(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, "package.json"))) {
    folder = path.dirname(folder);
  }
  return folder;
}

/** Octets that Xen wrote. */
export function fixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(`${FOLDER}${name}.bin`));
}

/** What Xen's own tool said of them. */
export function fixtureText(name: string): string {
  return readFileSync(`${FOLDER}${name}.txt`, "utf8");
}
