import { spawnSync } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, readSync, rmSync, writeSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Contestant, MigrationCase, Run } from "./case.ts";
import { cpuSeconds } from "./guest.ts";
import { type Lab, ROOT } from "./lab.ts";

const MIB_BYTES = 2 ** 20;
const PAGE_BYTES = 4096;
const BATCH_PAGES = 1024;
const XENS = "Xen's converter";
const DROP_IN = path.join(ROOT, "dist", "cli", "convert-legacy-stream", "main.js");
const AS_LIBXL = ["--width", "64", "--guest", "hvm", "--format", "libxl"];

/** A program and what comes before the arguments of both converters. */
interface Converter {
  readonly name: string;
  readonly program: string;
  readonly before: readonly string[];
}

/** A legacy stream to Migration v2, beside the converter that Xen has for it. */
export const convertCase: MigrationCase = {
  name: "migration/convert",
  about: "a legacy HVM stream of random content, in the page cache, to a file and through pipes",
  columns: [
    { key: "gigabytesPerSecond", head: "GB/s", digits: 2 },
    { key: "seconds", head: "s", digits: 2 },
    { key: "cpuSeconds", head: "CPU s", digits: 2 },
    { key: "peak", head: "peak MiB", digits: 0 },
  ],
  better: "more",
  baselines: [`${XENS}, file`, `${XENS}, pipes`],
  prepare: async (lab) => {
    const input = path.join(lab.files, "legacy");
    const output = path.join(lab.files, "converted");
    const bytes = writeLegacy(input, Math.max(BATCH_PAGES, lab.memoryBytes / PAGE_BYTES));
    const ours = { name: "convert-legacy-stream", program: process.execPath, before: [DROP_IN] };
    const xens = findXensConverter();
    const converters = typeof xens === "string" ? [ours] : [ours, xens];
    const job = { lab, input, output, bytes };
    const expected = await digestOf(job, ours);
    return {
      contestants: converters.flatMap((converter) => [
        toFile(job, converter, expected),
        throughPipes(job, converter),
      ]),
      skipped: typeof xens === "string" ? [`${XENS}: ${xens}`] : [],
      dispose: async () => rmSync(input, { force: true }),
    };
  },
};

interface Job {
  readonly lab: Lab;
  readonly input: string;
  readonly output: string;
  readonly bytes: number;
}

/** Every result is compared: a converter that leaves something out is fast. */
function toFile(job: Job, converter: Converter, expected: string): Contestant {
  return {
    name: `${converter.name}, file`,
    run: async () => {
      const run = await convertOnce(job, converter);
      if (hashOf(job.output) !== expected) {
        throw new Error(`${converter.name} makes something else of the stream`);
      }
      rmSync(job.output);
      return run;
    },
  };
}

async function digestOf(job: Job, converter: Converter): Promise<string> {
  await convertOnce(job, converter);
  const digest = hashOf(job.output);
  rmSync(job.output);
  return digest;
}

async function convertOnce(job: Job, { program, before }: Converter): Promise<Run> {
  const { lab, input, output, bytes } = job;
  const args = [...before, "--in", input, "--out", output, ...AS_LIBXL];
  const { seconds, usage } = await lab.start(program, args).finished;
  return runOf(bytes, seconds, usage);
}

/** Peak memory is the converter's: `cat` has none to speak of. */
function throughPipes(job: Job, { name, program, before }: Converter): Contestant {
  const script = 'input=$1; shift; cat "$input" | "$@" 4>&1 3<&0 >&2 | cat > /dev/null';
  return {
    name: `${name}, pipes`,
    run: async () => {
      const command = [program, ...before, "--in", "3", "--out", "4", ...AS_LIBXL];
      const args = ["-c", script, "sh", job.input, ...command];
      const { seconds, usage } = await job.lab.start("sh", args).finished;
      return runOf(job.bytes, seconds, usage);
    },
  };
}

function runOf(
  bytes: number,
  seconds: number,
  usage: Parameters<typeof cpuSeconds>[0] & { readonly peakRssBytes: number },
): Run {
  return {
    figures: {
      gigabytesPerSecond: bytes / seconds / 1e9,
      seconds,
      cpuSeconds: cpuSeconds(usage),
      peak: usage.peakRssBytes / MIB_BYTES,
    },
  };
}

/**
 * Writes the stream that a 64-bit toolstack of Xen 4.1 saved: batches of 1,024 pages, one vCPU.
 *
 * @returns its length.
 */
function writeLegacy(file: string, pageCount: number): number {
  const pages = randomFillSync(Buffer.alloc(BATCH_PAGES * PAGE_BYTES));
  const fd = openSync(file, "w");
  const write = (bytes: Uint8Array) => {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(fd, bytes, done);
    }
    return bytes.length;
  };
  let byteCount = write(words64(pageCount));
  for (let first = 0; first < pageCount; first += BATCH_PAGES) {
    const count = Math.min(BATCH_PAGES, pageCount - first);
    const pfns = Array.from({ length: count }, (_, index) => first + index);
    byteCount += write(Buffer.concat([words32(count), words64(...pfns)]));
    byteCount += write(pages.subarray(0, count * PAGE_BYTES));
  }
  const vcpus = Buffer.concat([words32(-2, 0), words64(1)]);
  const context = Buffer.concat([words32(-9, 0), words64(1, 2, 3), words32(64), Buffer.alloc(64)]);
  const emulator = Buffer.concat([Buffer.from("DeviceModelRecord0002"), words32(5)]);
  byteCount += write(Buffer.concat([vcpus, context, emulator, Buffer.from("state")]));
  closeSync(fd);
  return byteCount;
}

function words32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => {
    bytes.writeInt32LE(value, index * 4);
  });
  return bytes;
}

function words64(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, index) => {
    bytes.writeBigUInt64LE(BigInt(value), index * 8);
  });
  return bytes;
}

function hashOf(file: string): string {
  const hash = createHash("sha1");
  const buffer = Buffer.alloc(MIB_BYTES);
  const fd = openSync(file, "r");
  for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer)) {
    hash.update(buffer.subarray(0, count));
  }
  closeSync(fd);
  return hash.digest("hex");
}

/** Looks where Xen's tools are installed, or unpacked for tests and the lab; else says why not. */
function findXensConverter(): Converter | string {
  const lab = process.env.XENFERRY_LAB ?? path.join(os.homedir(), ".cache/xenferry/xenlab");
  const places = ["/", path.join(ROOT, ".setup", "xen-utils"), path.join(lab, "rootfs")];
  const tools = places.flatMap(toolsBelow).find((folder) => existsSync(scriptIn(folder)));
  if (tools === undefined) {
    return "no Xen tools are installed here, or unpacked for the tests or the lab";
  }
  if (spawnSync("python3", ["--version"]).status !== 0) {
    return "there is no python3";
  }
  const modules = `PYTHONPATH=${path.join(tools, "lib", "python")}`;
  return { name: XENS, program: "env", before: [modules, "python3", scriptIn(tools)] };
}

/** Folders "usr/lib/xen-VERSION". */
function toolsBelow(root: string): readonly string[] {
  const folder = path.join(root, "usr", "lib");
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.startsWith("xen-"))
        .map((name) => path.join(folder, name))
    : [];
}

function scriptIn(tools: string): string {
  return path.join(tools, "bin", "convert-legacy-stream");
}
