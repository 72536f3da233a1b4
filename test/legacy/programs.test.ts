import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { parseLegacyArguments } from "../../src/cli/convert-legacy-stream/arguments.ts";
import { type Entry, Parts, T } from "../golden/parts.ts";
import { join, octetsIn, text } from "../support/bytes.ts";
import { convertBytes } from "../support/legacy-run.ts";
import { LegacyParts } from "../support/legacy-writer.ts";

const programIn = (name: string) => fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));
const MAIN = programIn("cli/main.js");
const DROP_IN = programIn("cli/convert-legacy-stream/main.js");

const old = new LegacyParts(64);
const o = octetsIn("little");
const body = join(
  old.p2mSize(64),
  old.batch([3, T.NOTAB, 0x33], [5, T.NOTAB, 0x35]),
  old.vcpuInfo(0, 1n),
  old.chunk(-9),
  old.end(),
  old.hvmTail(new Parts().hvmContextBody()),
);
const legacy = join(body, old.emulator("DeviceModelRecord0002", text("state")));
const AS_LIBXL = ["--width", "64", "--guest", "hvm", "--format", "libxl"];

let folder: string;
let converted: Uint8Array;

beforeAll(async () => {
  converted = (await convertBytes(legacy)).bytes;
});

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "xenferry-convert-"));
  writeFileSync(path.join(folder, "old"), legacy);
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const result = (name = "new") => new Uint8Array(readFileSync(path.join(folder, name)));

function run(program: string, args: readonly string[], input?: Uint8Array) {
  const options = { cwd: folder, ...(input && { input }), maxBuffer: 1 << 26 };
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], options);
  return { status, stdout: new Uint8Array(stdout), text: String(stdout), errors: String(stderr) };
}

describe("convert-legacy-stream", () => {
  test("converts from a file to a file", () => {
    expect(run(DROP_IN, ["--in", "old", "--out", "new", ...AS_LIBXL])).toMatchObject({
      status: 0,
      text: "",
      errors: "",
    });
    expect(result()).toEqual(converted);
    expect(readdirSync(folder).sort()).toEqual(["new", "old"]);
  });

  test("as libxl asks for: from descriptor to descriptor, and nothing read ahead", async () => {
    const rest = text("what xl reads next");
    const wire = spawn(process.execPath, ["-e", "process.stdin.pipe(process.stdout)"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const outFd = openSync(path.join(folder, "new"), "w");
    wire.stdin.end(join(legacy, rest));
    const reader = `
      const { spawnSync } = require("node:child_process");
      const stdio = [0, "inherit", "inherit", 0, 3];
      const args = ${JSON.stringify([DROP_IN, "--in", "3", "--out", "4", ...AS_LIBXL])};
      const { status } = spawnSync(process.execPath, args, { stdio });
      process.stdout.write(status + " " + require("node:fs").readFileSync(0, "latin1"));`;
    const child = spawn(process.execPath, ["-e", reader], {
      stdio: [wire.stdout, "pipe", "inherit", outFd],
    });
    closeSync(outFd);
    wire.stdout.destroy();
    const told: Buffer[] = [];
    child.stdout!.on("data", (chunk: Buffer) => told.push(chunk));
    await once(child, "close");
    expect(Buffer.concat(told).toString("latin1")).toBe("0 what xl reads next");
    expect(result()).toEqual(converted);
  });

  test("tells what is in the stream", () => {
    const { text: told, status } = run(DROP_IN, [
      "-i",
      "old",
      "-o",
      "/dev/null",
      "-w64",
      "-ghvm",
      "-v",
    ]);
    expect(status).toBe(0);
    expect(told.split("\n").slice(0, 4)).toEqual([
      "         0  p2m size 0x40: HVM guest, 64-bit toolstack",
      "         8  2 pages, 8192 octets of data",
      "      8220  chunk -2 VCPU_INFO",
      "      8236  chunk -9 LAST_CHECKPOINT",
    ]);
  });

  test("a failure leaves no file, and says what and where", () => {
    writeFileSync(path.join(folder, "cut"), legacy.subarray(0, 5000));
    const failed = run(DROP_IN, ["--in", "cut", "--out", "new", ...AS_LIBXL]);
    expect(failed).toMatchObject({ status: 1, text: "" });
    expect(failed.errors).toContain("(offset 5000, record batch");
    expect(failed.errors).toContain("[STREAM_TRUNCATED]");
    expect(readdirSync(folder).sort()).toEqual(["cut", "old"]);
  });

  test("a failure leaves a file of that name as it was", () => {
    writeFileSync(path.join(folder, "new"), "what was here before");
    const width32 = ["--in", "old", "--out", "new", "-w", "32", "-g", "hvm"];
    const failed = run(DROP_IN, width32);
    expect(failed.status).toBe(1);
    expect(failed.errors).toContain("width 64, expectedWidth 32) [LEGACY_WIDTH]");
    expect(String(readFileSync(path.join(folder, "new")))).toBe("what was here before");
  });

  test("takes the width that is found where the environment says so", () => {
    const args = [DROP_IN, "--in", "old", "--out", "new", "-w32", "-ghvm", "-flibxl"];
    const env = { ...process.env, XENFERRY_LEGACY_WIDTH: "auto" };
    expect(spawnSync(process.execPath, args, { cwd: folder, env }).status).toBe(0);
    expect(result()).toEqual(converted);
  });

  test("ends at SIGTERM, which libxl sends, and leaves no file", async () => {
    const child = spawn(
      process.execPath,
      [DROP_IN, "-i", "0", "-o", "new", "-w64", "-ghvm", "-v"],
      {
        cwd: folder,
        stdio: ["pipe", "pipe", "pipe"],
      },
    );
    child.stdin.write(legacy.subarray(0, 10_000));
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    const [status] = await once(child, "exit");
    expect(status).toBe(143);
    expect(readdirSync(folder)).toEqual(["old"]);
  });

  test("asked wrongly, it says how", () => {
    expect(run(DROP_IN, ["--help"])).toMatchObject({ status: 0, errors: "" });
    expect(run(DROP_IN, ["--version"])).toMatchObject({ status: 0, text: "1\n" });
    const incomplete = run(DROP_IN, ["--in", "old"]);
    expect(incomplete.status).toBe(1);
    expect(incomplete.errors).toContain("--guest-type");
    expect(run(DROP_IN, ["--width", "16"])).toMatchObject({ status: 2 });
    expect(run(DROP_IN, ["--in", "99", "--out", "new", ...AS_LIBXL])).toMatchObject({ status: 1 });
    expect(run(DROP_IN, ["--in", "none", "--out", "new", ...AS_LIBXL])).toMatchObject({
      status: 1,
    });
  });
});

describe("its arguments", () => {
  const least = { in: "a", out: "b", width: 32, guest: "pv", format: "libxc" };
  const off = { hasXlHeader: false, skipsQemu: false, isVerbose: false, logsToSyslog: false };

  test.each([
    ["in full", "--in a --out b --width 32 --guest-type pv", {}],
    ["shortened, as libxl does", "--in a --out b --width 32 --guest pv", {}],
    ["after an equals sign", "--in=a --out=b --width=32 --guest-type=pv", {}],
    ["short", "-i a -o b -w 32 -g pv", {}],
    ["joined", "-xvia -ob -w32 -gpv", { hasXlHeader: true, isVerbose: true }],
    ["the last counts", "-i z -i a -o b -w 64 -w 32 -g pv", {}],
    ["what is no option is ignored", "-i a -o b -w 32 left -g pv -- -v", {}],
    [
      "all flags",
      "-i a -o b -w 32 -g pv -f libxl --xl --skip-qemu --verbose --syslog",
      {
        format: "libxl",
        hasXlHeader: true,
        skipsQemu: true,
        isVerbose: true,
        logsToSyslog: true,
      },
    ],
  ])("%s", (_, line, changes) => {
    expect(parseLegacyArguments(line.split(" "))).toEqual({ ...least, ...off, ...changes });
  });

  test.each([["--guest"], ["--s -i a"], ["--none"], ["-z"], ["-f xl"], ["--xl=yes"], ["--"]])(
    "%s is not enough",
    (line) => {
      const parse = () => parseLegacyArguments(line.split(" "));
      if (line === "--") {
        expect(parse()).toBe("incomplete");
      } else {
        expect(parse).toThrow(expect.objectContaining({ code: "USAGE_ARGUMENT" }));
      }
    },
  );
});

/** A Zstandard frame of blocks that are stored as they are. */
function stored(content: Uint8Array): Uint8Array {
  const blocks = [];
  for (let at = 0; at < content.length; at += 65_536) {
    const block = content.subarray(at, at + 65_536);
    const isLast = at + block.length === content.length ? 1 : 0;
    blocks.push(o.u32((block.length << 3) | isLast).subarray(0, 3), block);
  }
  return join(o.u32(0xfd2fb528), o.u8(0xa0), o.u32(content.length), ...blocks);
}

describe("xenferry convert", () => {
  test("converts a file, and tells what it was", () => {
    const { status, text: told, errors } = run(MAIN, ["--json", "convert", "old", "new"]);
    expect({ status, errors }).toEqual({ status: 0, errors: "" });
    expect(JSON.parse(told)).toMatchObject({
      input: "old",
      output: "new",
      fromVersion: 1,
      toVersion: 3,
      format: "libxl",
      width: 64,
      guest: "hvm",
      checkpoints: 1,
      bytesRead: legacy.length,
      bytesWritten: converted.length,
      pageEntries: 2,
    });
    expect(result()).toEqual(converted);
    expect(run(MAIN, ["verify", "new"]).status).toBe(0);
  });

  test("from standard input to standard output, the result apart", () => {
    const { status, stdout, errors } = run(MAIN, ["convert", "-", "-"], legacy);
    expect(status).toBe(0);
    expect(stdout).toEqual(converted);
    expect(errors).toContain("converted legacy HVM, 64-bit toolstack: 2 page entries");
  });

  test("a compressed image", () => {
    writeFileSync(path.join(folder, "old.zst"), stored(legacy));
    expect(run(MAIN, ["-q", "convert", "old.zst", "new"]).status).toBe(0);
    expect(result()).toEqual(converted);
    expect(run(MAIN, ["-q", "convert", "-", "again"], stored(legacy)).status).toBe(0);
    expect(result("again")).toEqual(converted);
  });

  test("to libxc's format, without the device model's state", () => {
    const args = ["convert", "--format", "libxc", "--skip-qemu", "old", "new"];
    expect(run(MAIN, args).status).toBe(0);
    expect(run(MAIN, ["--json", "verify", "new"]).text).toContain('"format": "libxc"');
  });

  test("what was converted is copied, and it says so", () => {
    writeFileSync(path.join(folder, "old"), converted);
    const { status, text: told } = run(MAIN, ["convert", "old", "new"]);
    expect(status).toBe(0);
    expect(told).toContain("it was version 3 already");
    expect(result()).toEqual(converted);
  });

  test("says what it left out of a broken series of checkpoints", () => {
    const one = join(body.subarray(0, 8236), body.subarray(8240));
    const record = old.emulator("DeviceModelRecord0002", text("state"));
    const pages: Entry = [3, T.NOTAB, 0x44];
    writeFileSync(path.join(folder, "old"), join(one, record, old.batch(pages).subarray(0, 99)));
    const { status, text: told } = run(MAIN, ["convert", "old", "new"]);
    expect(status).toBe(0);
    expect(told).toContain("left out what follows the last complete checkpoint, from offset");
    expect(told).toContain("[STREAM_TRUNCATED]");
    expect(result()).toEqual(converted);
  });

  test("errors have a code, a place and a status, and leave nothing", () => {
    writeFileSync(path.join(folder, "cut"), legacy.subarray(0, 5000));
    const cut = run(MAIN, ["--json", "convert", "cut", "new"]);
    expect(cut.status).toBe(1);
    expect(JSON.parse(cut.errors).error[0]).toMatchObject({
      code: "STREAM_TRUNCATED",
      where: { offset: 5000 },
    });
    expect(run(MAIN, ["convert", "--width", "16", "old", "new"]).status).toBe(2);
    expect(run(MAIN, ["convert", "--stream-version", "2", "old", "new"]).status).toBe(1);
    expect(run(MAIN, ["convert", "--stream-version", "1", "old", "none/new"]).status).toBe(1);
    expect(run(MAIN, ["convert", "none", "new"]).status).toBe(1);
    expect(readdirSync(folder).sort()).toEqual(["cut", "old"]);
  });
});
