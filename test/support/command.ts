import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The compiled command line. */
export const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/**
 * Runs the command line to its end, in `runDir`, which is also its registry.
 *
 * @param files made there before, by name.
 */
export function runXenferry(
  runDir: string,
  args: readonly string[],
  files: Readonly<Record<string, Uint8Array>> = {},
) {
  for (const [name, bytes] of Object.entries(files)) {
    writeFileSync(path.join(runDir, name), bytes);
  }
  const command = [MAIN, "--run-dir", runDir, ...args];
  return spawnSync(process.execPath, command, { encoding: "utf8", cwd: runDir });
}
