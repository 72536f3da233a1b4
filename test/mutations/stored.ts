import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Verdicts } from "./verdict.ts";

const FILE = fileURLToPath(new URL("verdicts.json", import.meta.url));

/** What is kept of observations; nothing where there is no file. */
export function readVerdicts(): Verdicts {
  return existsSync(FILE)
    ? (JSON.parse(readFileSync(FILE, "utf8")) as Verdicts)
    : { xen: "", verdicts: [] };
}

/** Keeps them. */
export function writeVerdicts(verdicts: Verdicts): void {
  writeFileSync(FILE, `${JSON.stringify(verdicts, undefined, 2)}\n`);
}
