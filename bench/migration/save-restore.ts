import { rmSync, statSync } from "node:fs";
import path from "node:path";
import type { Profile } from "#dist/report/profile.js";
import { runBaseline } from "./baseline.ts";
import type { Contestant, MigrationCase, Run } from "./case.ts";
import { cpuSeconds, createGuest, destroyGuest, proveGuest } from "./guest.ts";
import type { Lab } from "./lab.ts";
import type { Counted } from "./process.ts";

const COPY = "cp";
const COPY_SYNCED = "cp and sync";
const DIRECT = "write past the cache";

/** A guest into a file and back, beside plain copies of as many octets. */
export const saveRestoreCase: MigrationCase = {
  name: "migration/save-restore",
  about: "an idle guest of random content to a file on disk (synced), and from the cached file",
  columns: [
    { key: "gigabytesPerSecond", head: "GB/s", digits: 2 },
    { key: "seconds", head: "s", digits: 2 },
    { key: "cpuSeconds", head: "CPU s", digits: 2 },
  ],
  better: "more",
  baselines: [COPY, COPY_SYNCED, DIRECT],
  prepare: async (lab) => {
    const image = path.join(lab.files, "image");
    const copy = path.join(lab.files, "copy");
    await saveOnce(lab, image);
    const copied = (name: string, script: string): Contestant => ({
      name,
      run: async () => {
        const { seconds, usage } = await lab.start("sh", ["-c", script, "sh", image, copy])
          .finished;
        rmSync(copy);
        return runOf(statSync(image).size, seconds, cpuSeconds(usage));
      },
    });
    return {
      contestants: [
        { name: "save", run: () => saveOnce(lab, image) },
        { name: "restore", run: () => restoreOnce(lab, image) },
        copied(COPY, 'cp "$1" "$2"'),
        copied(COPY_SYNCED, 'cp "$1" "$2" && sync "$2"'),
        { name: DIRECT, run: () => writeDirect(lab, copy) },
      ],
      dispose: async () => rmSync(image, { force: true }),
    };
  },
};

/** Leaves a new image at `file`. */
async function saveOnce(lab: Lab, file: string): Promise<Run> {
  rmSync(file, { force: true });
  const description = `process:memory=${lab.memoryBytes},dirty=0,fill=random`;
  const name = await createGuest(lab, description);
  const { stdout, usage } = await lab.xenferry("save", name, file);
  const { totalBytes, totalMs } = JSON.parse(stdout) as Profile;
  return runOf(totalBytes, totalMs / 1000, cpuSeconds(usage));
}

async function restoreOnce(lab: Lab, file: string): Promise<Run> {
  const { stdout, usage }: Counted = await lab.xenferry("restore", file);
  const { name, bytes, totalMs } = JSON.parse(stdout) as {
    readonly name: string;
    readonly bytes: number;
    readonly totalMs: number;
  };
  await proveGuest(lab, name);
  await destroyGuest(lab, name);
  return runOf(bytes, totalMs / 1000, cpuSeconds(usage));
}

async function writeDirect(lab: Lab, file: string): Promise<Run> {
  const size = `bytes=${lab.memoryBytes}`;
  const report = await runBaseline(lab, "write-direct", `path=${file}`, size);
  rmSync(file);
  return runOf(report.bytes, report.seconds, cpuSeconds(report));
}

function runOf(bytes: number, seconds: number, cpu: number): Run {
  const gigabytesPerSecond = bytes / seconds / 1e9;
  return { figures: { gigabytesPerSecond, seconds, cpuSeconds: cpu } };
}
