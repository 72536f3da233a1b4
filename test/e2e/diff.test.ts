import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { page } from "../golden/parts.ts";
import { smallImage } from "../mutations/images.ts";
import { makeRunDir, type TestRunDir } from "../support/guests.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

let place: TestRunDir;
const file = (name: string) => path.join(place.runDir, name);

/** The same guest with another name, and other octets in frames 0 and 4. */
function otherImage(): Uint8Array {
  const bytes = Buffer.from(smallImage("hvm"));
  bytes.write("SMALL", bytes.indexOf('"small"') + 1);
  bytes[bytes.indexOf(page(0, 0x11)) + 0x20]! ^= 0xff;
  bytes[bytes.indexOf(page(4, 0x14)) + 0xfff]! ^= 0xff;
  return bytes;
}

beforeEach(async () => {
  place = await makeRunDir();
  writeFileSync(file("a.xl"), smallImage("hvm"));
  writeFileSync(file("b.xl"), otherImage());
});

afterEach(async () => {
  await place.dispose();
});

function diff(args: readonly string[], input?: Uint8Array) {
  const command = [MAIN, "--run-dir", place.runDir, ...args];
  const options = { cwd: place.runDir, encoding: "utf8", ...(input && { input }) } as const;
  return spawnSync(process.execPath, command, options);
}

describe("xenferry diff", () => {
  test("equal guests: status 0", () => {
    const { status, stdout, stderr } = diff(["diff", "a.xl", "a.xl"]);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^equal: compared \d+ fields and 6 frames\n$/);
  });

  test("what differs, and status 1; one side through a pipe", () => {
    const { status, stdout } = diff(["diff", "a.xl", "b.xl"]);
    expect(status).toBe(1);
    expect(stdout).toMatch(
      new RegExp(
        "^configuration: 1 differs\n  config.c_info.name: small -> SMALL\n" +
          "memory: 2 of 6 frames differ \\(content 2\\)\n  0x0: content\n  0x4: content\n" +
          "different: compared \\d+ fields and 6 frames\n$",
      ),
    );
    expect(diff(["diff", "-", "b.xl"], readFileSync(file("a.xl"))).stdout).toBe(stdout);
    expect(diff(["diff", "b.xl", "-"], readFileSync(file("a.xl"))).stdout).toContain(
      "config.c_info.name: SMALL -> small",
    );
  });

  test("with -q only the status; parts; fields left out", () => {
    expect(diff(["-q", "diff", "a.xl", "b.xl"])).toMatchObject({ status: 1, stdout: "" });
    const memory = diff(["diff", "a.xl", "b.xl", "--memory-only"]).stdout;
    expect(memory).toMatch(/^memory: 2 of 6 .*\ndifferent: compared 6 frames\n$/s);
    const names = ["--no-memory", "--ignore", "config.c_info.*"];
    const { status, stdout } = diff(["diff", "a.xl", "b.xl", ...names]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^equal: compared \d+ fields; left out 1 fields \(--ignore\)\n$/);
  });

  test("nothing that steers the terminal", () => {
    const bytes = Buffer.from(otherImage());
    bytes.write("\x1b[2J!", bytes.indexOf('"SMALL"') + 1);
    writeFileSync(file("b.xl"), bytes);
    const { stdout } = diff(["diff", "a.xl", "b.xl"]);
    expect(stdout).not.toContain("\x1b");
    expect(stdout).toContain("\\x1b[2J!");
  });

  test("JSON", () => {
    const { stdout } = diff(["--json", "diff", "a.xl", "b.xl"]);
    expect(JSON.parse(stdout)).toMatchObject({
      a: "a.xl",
      b: "b.xl",
      isEqual: false,
      state: {
        differing: 1,
        differences: [{ area: "config", path: "config.c_info.name", a: "small", b: "SMALL" }],
      },
      memory: {
        differing: 2,
        by: { content: 2 },
        ranges: [
          { kind: "content", firstPfn: 0, frameCount: 1 },
          { kind: "content", firstPfn: 4, frameCount: 1 },
        ],
      },
    });
  });

  test("the lines of a page that differ", () => {
    const { status, stdout } = diff(["diff", "a.xl", "b.xl", "--page", "0"]);
    expect([status, stdout]).toEqual([
      1,
      "frame 0x0: A NOTAB, B NOTAB: 1 octets differ\n" +
        `< 00000020  11${" 11".repeat(7)}  11${" 11".repeat(7)} |${".".repeat(16)}|\n` +
        `> 00000020  ee${" 11".repeat(7)}  11${" 11".repeat(7)} |${".".repeat(16)}|\n`,
    ]);
    expect(diff(["diff", "a.xl", "b.xl", "--page", "1"])).toMatchObject({
      status: 0,
      stdout: "frame 0x1: A NOTAB, B NOTAB: equal\n",
    });
  });

  test.each([
    ["a file that is not there", ["a.xl", "none.xl"], "[TRANSPORT_OPEN]"],
    ["no image", ["a.xl", "junk"], "[STREAM_NOT_AN_IMAGE]"],
    ["a truncated image", ["cut.xl", "a.xl"], "[STREAM_TRUNCATED]"],
    ["standard input twice", ["-", "-"], "[USAGE_ARGUMENT]"],
    ["one name", ["a.xl"], "missing required argument"],
  ])("%s is trouble: status 2", (_, names, problem) => {
    writeFileSync(file("junk"), "x".repeat(5000));
    writeFileSync(file("cut.xl"), smallImage("hvm").subarray(0, -30));
    const { status, stdout, stderr } = diff(["diff", ...names]);
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(problem);
  });

  test("says what its status means", () => {
    expect(diff(["diff", "--help"]).stdout).toContain("0 equal, 1 different, 2 trouble");
  });
});
