import { spawnSync } from "node:child_process";
import { mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { smallImage } from "../mutations/images.ts";

const XENFERRY = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const VERIFY = fileURLToPath(new URL("../../dist/cli/verify-stream-v2/main.js", import.meta.url));

let folder: string;
let sound: string;
let cut: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "xenferry-verify-"));
  sound = path.join(folder, "sound.xl");
  cut = path.join(folder, "cut.xl");
  const image = smallImage("pv64");
  writeFileSync(sound, image);
  writeFileSync(cut, image.subarray(0, 30_000));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function run(script: string, args: readonly string[], input?: number | Uint8Array) {
  return spawnSync(process.execPath, [script, ...args], {
    encoding: "utf8",
    ...(typeof input === "number"
      ? { stdio: ["ignore", "pipe", "pipe", input] }
      : { input: input ?? "" }),
  });
}

describe("xenferry verify", () => {
  test.each([[[]], [["--deep"]], [["--engine", "wasm", "--deep"]], [["-f", "xl"]]])(
    "accepts a sound image with %j",
    (options) => {
      const { status, stdout, stderr } = run(XENFERRY, ["verify", ...options, sound]);
      expect(stderr).toBe("");
      expect(stdout).toContain(`${sound}: accepted: `);
      expect(stdout.includes("memory: sha256")).toBe(options.includes("--deep"));
      expect(status).toBe(0);
    },
  );

  test("says what is wrong, where, and what to do", () => {
    const { status, stdout } = run(XENFERRY, ["verify", cut]);
    expect(stdout).toMatch(/^refused: the stream ends .* \(offset 30000, .*\[STREAM_TRUNCATED\]/);
    expect(stdout).toContain("what to do: ");
    expect(stdout).toContain(`${cut}: REFUSED`);
    expect(status).toBe(1);
  });

  test("says it as JSON", () => {
    const { status, stdout } = run(XENFERRY, ["verify", "--json", "-v", cut]);
    expect(JSON.parse(stdout)).toMatchObject({
      file: cut,
      findings: [{ code: "STREAM_TRUNCATED", severity: "refused", offset: 30_000 }],
      summary: { isAccepted: false, isRefused: true, depth: "index", format: "xl" },
    });
    expect(status).toBe(1);
  });

  test("summarises, reads standard input, and is quiet when told", () => {
    const image = smallImage("pvh");
    const { status, stdout } = run(XENFERRY, ["verify", "-v"], image);
    expect(stdout).toContain("Squashed 2 Page Data records together\n");
    expect(stdout).toContain("-: accepted");
    expect(status).toBe(0);
    expect(run(XENFERRY, ["verify", "-q", "-"], image)).toMatchObject({ status: 0, stdout: "" });
  });

  test.each([
    [["verify", "-f", "tar", "x"], 2],
    [["verify", "-f", "libxc"], 1],
    [["verify", "no-such-file"], 1],
  ])("ends %j with %i", (args, status) => {
    expect(run(XENFERRY, args, smallImage("pvh")).status).toBe(status);
  });
});

describe("verify-stream-v2", () => {
  test("is called as Xen's is", () => {
    const options = ["-v", "-f", "xl", "-i", sound];
    const { status, stdout, stderr } = run(VERIFY, options);
    expect(stderr).toBe("");
    expect(stdout.split("\n").slice(0, 2)).toEqual([
      "Processed xl header",
      "Libxl Header: little endian",
    ]);
    expect(stdout).toMatch(/Libxl Record: End, length 0\n$/);
    expect(status).toBe(0);
    const long = ["--verbose", "--format", "xl", `--in=${sound}`];
    expect(run(VERIFY, long).stdout).toBe(stdout);
  });

  test("reads standard input or a descriptor, and libxc's stream unless told", () => {
    const image = smallImage("pv64");
    const libxc = image.subarray(image.indexOf(0xff), -8);
    expect(run(VERIFY, [], libxc)).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(run(VERIFY, [], image).stderr).toContain("STREAM_NOT_AN_IMAGE");
    const fd = openSync(sound, "r");
    expect(run(VERIFY, ["-f", "xl", "-i", "3"], fd)).toMatchObject({ status: 0, stderr: "" });
  });

  test("tells errors on standard error, unless it is to be quiet", () => {
    const told = run(VERIFY, ["-f", "xl", "-i", cut]);
    expect(told.stderr).toContain("[STREAM_TRUNCATED]");
    expect(told.status).toBe(1);
    const quiet = run(VERIFY, ["-q", "-v", "-f", "xl", "-i", cut]);
    expect(quiet).toMatchObject({ status: 1, stdout: "", stderr: "" });
  });

  test("tells the system's log, and errors here as well", () => {
    const { status, stdout, stderr } = run(VERIFY, ["--syslog", "-v", "-f", "xl", "-i", cut]);
    expect(stdout).toBe("");
    expect(stderr).toContain("[STREAM_TRUNCATED]");
    expect(status).toBe(1);
  });

  test("knows wrong use from wrong streams", () => {
    expect(run(VERIFY, ["--nonsense"]).status).toBe(2);
    expect(run(VERIFY, ["-f", "tar"]).status).toBe(2);
    expect(run(VERIFY, ["--help"]).status).toBe(0);
    expect(run(VERIFY, ["-i", "/no/such/file"]).status).toBe(1);
  });
});
