import { rmSync, statSync } from "node:fs";
import path from "node:path";
import type { Profile } from "#dist/report/profile.js";
import { runBaseline } from "./baseline.ts";
import type { Contestant, MigrationCase, Run } from "./case.ts";
import { cpuSeconds, createGuest, destroyGuest, proveGuest } from "./guest.ts";
import type { Lab } from "./lab.ts";
import type { Usage } from "./process.ts";

const MIB_BYTES = 2 ** 20;
const COPY = "cp";
const COPY_SYNCED = "cp and sync";
const WRITE_DIRECT = "write past the cache";
const READ_DIRECT = "read past the cache";

/** Files of a run. */
interface Images {
  /** As saved without options. */
  readonly dense: string;
  readonly aligned: string;
  /** What is being written. */
  readonly out: string;
}

/** A guest into a file and back, beside plain copies of as many octets. */
export const saveRestoreCase: MigrationCase = {
  name: "migration/save-restore",
  about: "an idle guest of random content to a file on disk (synced), and back from it",
  columns: [
    { key: "gigabytesPerSecond", head: "GB/s", digits: 2 },
    { key: "seconds", head: "s", digits: 2 },
    { key: "cpuSeconds", head: "CPU s", digits: 2 },
    { key: "peak", head: "peak MiB", digits: 0 },
    { key: "own", head: "own MiB", digits: 0 },
  ],
  better: "more",
  baselines: [COPY, COPY_SYNCED, WRITE_DIRECT, READ_DIRECT],
  prepare: async (lab) => {
    const file = (name: string) => path.join(lab.files, name);
    const images: Images = { dense: file("dense"), aligned: file("aligned"), out: file("out") };
    await saveOnce(lab, images.dense);
    await saveOnce(lab, images.aligned, "--align-pages");
    return {
      contestants: [
        ...saves(lab, images),
        ...restores(lab, images),
        copy(lab, images, COPY, 'cp "$1" "$2"'),
        copy(lab, images, COPY_SYNCED, 'cp "$1" "$2" && sync "$2"'),
        { name: WRITE_DIRECT, run: () => writeDirect(lab, images.out) },
        { name: READ_DIRECT, run: () => readDirect(lab, images.aligned) },
      ],
      dispose: async () =>
        Object.values(images).forEach((image) => {
          rmSync(image, { force: true });
        }),
    };
  },
};

function saves(lab: Lab, { out }: Images): readonly Contestant[] {
  const save = (name: string, ...options: readonly string[]): Contestant => ({
    name,
    run: async () => {
      const run = await saveOnce(lab, out, ...options);
      rmSync(out);
      return run;
    },
  });
  return [
    save("save"),
    save("save, aligned", "--align-pages"),
    save("save, aligned, through the cache", "--align-pages", "--file-access", "cached"),
  ];
}

function restores(lab: Lab, images: Images): readonly Contestant[] {
  const restore = (
    name: string,
    image: string,
    state: "cached" | "not cached",
    ...options: readonly string[]
  ): Contestant => ({
    name: `${name}, file ${state}`,
    run: async () => {
      await runBaseline(lab, state === "cached" ? "sum" : "drop-file", `path=${image}`);
      return restoreOnce(lab, image, ...options);
    },
  });
  const { dense, aligned } = images;
  const cached = ["--file-access", "cached"];
  const direct = ["--file-access", "direct"];
  return [
    restore("restore by events", dense, "cached", "--engine", "wasm"),
    restore("restore", dense, "cached"),
    restore("restore, aligned", aligned, "cached"),
    restore("restore, aligned, past the cache", aligned, "cached", ...direct),
    restore("restore by events", dense, "not cached", "--engine", "wasm"),
    restore("restore", dense, "not cached"),
    restore("restore, aligned", aligned, "not cached"),
    restore("restore, aligned, through the cache", aligned, "not cached", ...cached),
  ];
}

function copy(lab: Lab, { dense, out }: Images, name: string, script: string): Contestant {
  return {
    name,
    run: async () => {
      await runBaseline(lab, "sum", `path=${dense}`);
      const { seconds, usage } = await lab.start("sh", ["-c", script, "sh", dense, out]).finished;
      rmSync(out);
      return runOf(statSync(dense).size, seconds, usage);
    },
  };
}

/** Leaves a new image at `file`. */
async function saveOnce(lab: Lab, file: string, ...options: readonly string[]): Promise<Run> {
  const description = `process:memory=${lab.memoryBytes},dirty=0,fill=random`;
  const name = await createGuest(lab, description);
  const { stdout, usage } = await lab.xenferry("save", name, file, ...options);
  const { totalBytes, totalMs, directBytes } = JSON.parse(stdout) as Profile;
  return { ...runOf(totalBytes, totalMs / 1000, usage), remark: wayOf(directBytes) };
}

async function restoreOnce(lab: Lab, file: string, ...options: readonly string[]): Promise<Run> {
  const { stdout, usage } = await lab.xenferry("restore", file, ...options);
  const { name, bytes, totalMs, directBytes } = JSON.parse(stdout) as {
    readonly name: string;
    readonly bytes: number;
    readonly totalMs: number;
    readonly directBytes: number;
  };
  await proveGuest(lab, name);
  await destroyGuest(lab, name);
  return { ...runOf(bytes, totalMs / 1000, usage), remark: wayOf(directBytes) };
}

function wayOf(directBytes: number | undefined): string {
  return directBytes === undefined || directBytes === 0 ? "through the cache" : "past the cache";
}

async function writeDirect(lab: Lab, file: string): Promise<Run> {
  const size = `bytes=${lab.memoryBytes}`;
  const report = await runBaseline(lab, "write-direct", `path=${file}`, size);
  rmSync(file);
  return runOf(report.bytes, report.seconds, report);
}

async function readDirect(lab: Lab, file: string): Promise<Run> {
  const report = await runBaseline(lab, "read-direct", `path=${file}`);
  return runOf(report.bytes, report.seconds, report);
}

function runOf(
  bytes: number,
  seconds: number,
  usage: Pick<Usage, "userSeconds" | "systemSeconds" | "peakRssBytes"> & Partial<Usage>,
): Run {
  const { peakRssBytes, peakAnonymousBytes } = usage;
  return {
    figures: {
      gigabytesPerSecond: bytes / seconds / 1e9,
      seconds,
      cpuSeconds: cpuSeconds(usage),
      peak: peakRssBytes / MIB_BYTES,
      ...(peakAnonymousBytes !== undefined && { own: peakAnonymousBytes / MIB_BYTES }),
    },
  };
}
