import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { deflateSync, inflateSync } from "node:zlib";
import type { Corpus } from "./run.ts";

/** A longer input is not worth keeping. */
const INPUT_BYTES_MAX = 16_384;

/** Most things that may come of a target's inputs and are kept. */
const ENTRIES_MAX = 150;

/** Reads the inputs kept of a target; none where there is no such file. */
export function readCorpus(folder: string, target: string): Corpus {
  const file = fileOf(folder, target);
  const entries = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
  return new Map(
    Object.entries(entries as Record<string, string>).map(([found, kept]) => [
      found,
      new Uint8Array(inflateSync(Buffer.from(kept, "base64"))),
    ]),
  );
}

/** Keeps the shortest input for each thing that came of one, those known included. */
export function extendCorpus(folder: string, target: string, corpus: Corpus): void {
  const all = readCorpus(folder, target);
  for (const [found, bytes] of corpus) {
    const known = all.get(found);
    if (bytes.length <= INPUT_BYTES_MAX && (known === undefined || known.length > bytes.length)) {
      all.set(found, bytes);
    }
  }
  const entries = [...all]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(0, ENTRIES_MAX)
    .map(([found, bytes]) => [found, deflateSync(bytes, { level: 9 }).toString("base64")]);
  mkdirSync(folder, { recursive: true });
  const json = JSON.stringify(Object.fromEntries(entries), null, 2);
  writeFileSync(fileOf(folder, target), `${json}\n`);
}

function fileOf(folder: string, target: string): string {
  return path.join(folder, `${target.replace(/[^a-z0-9]+/g, "-")}.json`);
}
