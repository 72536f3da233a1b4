import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { goldenStreams } from "../golden/build.ts";
import { Parts, T } from "../golden/parts.ts";
import { smallImage } from "../mutations/images.ts";
import { join } from "../support/bytes.ts";
import { makeRunDir, type TestRunDir } from "../support/guests.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const parts = new Parts();
let place: TestRunDir;
let image = "";

beforeEach(async () => {
  place = await makeRunDir();
  image = path.join(place.runDir, "guest.xl");
  writeFileSync(image, smallImage("hvm"));
});

afterEach(async () => {
  await place.dispose();
});

function xenferry(...args: readonly string[]) {
  return spawnSync(process.execPath, [MAIN, "--run-dir", place.runDir, ...args], {
    cwd: place.runDir,
  });
}

function outputOf(...args: readonly string[]): string {
  const { stdout, stderr, status } = xenferry(...args);
  expect([stderr.toString(), status]).toEqual(["", 0]);
  return stdout.toString();
}

function errorOf(...args: readonly string[]): {
  readonly code: string;
  readonly status: number | null;
} {
  const { stderr, status } = xenferry("--json", ...args);
  const { error } = JSON.parse(stderr.toString());
  return { ...error[0], status };
}

const files = () => readdirSync(place.runDir).filter((name) => name !== "guest.xl");

describe("xenferry rewrite", () => {
  test("without options a copy; with options what was asked for, which verify accepts", () => {
    expect(outputOf("rewrite", image, "copy.xl")).toMatch(/^rewrote .*verify accepts it\n/s);
    expect(readFileSync(path.join(place.runDir, "copy.xl")).equals(readFileSync(image))).toBe(true);
    const options = [
      "--fold",
      "--zero-pages",
      "elide",
      "--batch",
      "512",
      "--align-pages",
      "--upgrade",
    ];
    const result = JSON.parse(outputOf("--json", "rewrite", image, "new.xl", ...options));
    expect(result).toMatchObject({
      input: image,
      output: "new.xl",
      pageEntriesRead: 7,
      pageEntriesWritten: 7,
      fields: [],
      verified: { isAccepted: true, depth: "deep" },
    });
    expect(result.bytesWritten).toBe(statSync(path.join(place.runDir, "new.xl")).size);
    const digest = (file: string) => JSON.parse(outputOf("--json", "inspect", file)).memory_sha256;
    expect(digest("new.xl")).toBe(digest("guest.xl"));
    const verified = JSON.parse(outputOf("--json", "verify", "--deep", "new.xl"));
    expect(verified.summary.memoryDigest).toBe(result.verified.memoryDigest);
    expect(files().sort()).toEqual(["copy.xl", "new.xl"]);
  });

  test("from standard input to standard output, the result apart", () => {
    const command = `exec "$0" "${MAIN}" rewrite - - --set tsc.khz=7 < guest.xl > out.xl`;
    const { stderr, status } = spawnSync("sh", ["-c", command, process.execPath], {
      cwd: place.runDir,
    });
    expect(status).toBe(0);
    expect(stderr.toString()).toContain("tsc.khz: 2400000 to 7\n");
    expect(outputOf("inspect", "out.xl", "--paths", "tsc.")).toBe(
      "tsc.mode=1\ntsc.khz=7\ntsc.nsec=123456789012\ntsc.incarnation=3\n",
    );
  });

  test("fields are set in the file itself, and undone", () => {
    const before = readFileSync(image);
    const edits = ["--set", "params.STORE_PFN=0x1", "--set", "xl.config.c_info.name=other=name"];
    const { fields } = JSON.parse(outputOf("--json", "rewrite", image, image, ...edits));
    expect(fields).toEqual([
      { path: "xl.config.c_info.name", before: "small", after: "other=name" },
      { path: "params.STORE_PFN", before: "0xfeffc", after: "0x1" },
    ]);
    const { paths } = JSON.parse(outputOf("--json", "inspect", image, "--paths", "params"));
    expect(paths).toEqual({ "params.STORE_PFN": "0x1", "params.CONSOLE_PFN": "0xfefff" });
    const undo = ["--set", "params.STORE_PFN=1044476", "--set", "xl.config.c_info.name=small"];
    outputOf("rewrite", image, image, ...undo);
    expect(readFileSync(image).equals(before)).toBe(true);
  });

  test("optional records come and go", () => {
    writeFileSync(path.join(place.runDir, "note"), "a note");
    outputOf("rewrite", image, "noted.xl", "--add-optional", "0x80001234=note");
    expect(outputOf("inspect", "noted.xl", "--section", "records")).toContain("0x80001234");
    outputOf("rewrite", "noted.xl", "plain.xl", "--optional", "drop");
    const plain = readFileSync(path.join(place.runDir, "plain.xl"));
    expect(plain.equals(readFileSync(image))).toBe(true);
  });

  test("what verify does not accept is not there, unless it has to be", () => {
    const magic = ["--set", "hvm.HEADER[0].magic=0"];
    expect(errorOf("rewrite", image, "bad.xl", ...magic)).toMatchObject({
      code: "REWRITE_REFUSED",
      status: 1,
    });
    expect(files()).toEqual([]);
    expect(outputOf("rewrite", image, "bad.xl", ...magic, "--force")).toContain(
      "verify does not accept it, and it was written\n",
    );
    expect(xenferry("verify", "bad.xl").status).toBe(1);
  });

  test("a broken series of checkpoints ends at the last whole one", () => {
    const remus = goldenStreams().get("hvm-remus.xl")!;
    writeFileSync(image, remus.subarray(0, remus.length - 3000));
    expect(outputOf("rewrite", image, "saved.xl", "--fold")).toContain("STREAM_TRUNCATED");
    outputOf("verify", "saved.xl");
    expect(errorOf("rewrite", image, "none.xl")).toMatchObject({ code: "STREAM_TRUNCATED" });
  });

  test.each([
    [["--batch", "0"], 2],
    [["--batch", "1025"], 2],
    [["--zero-pages", "some"], 2],
    [["--set", "no-value"], 2],
    [["--set", "nothing=1"], 2],
    [["--set", "cpuid.features=1"], 2],
    [["--set", "tsc.khz=x"], 2],
    [["--add-optional", "1=guest.xl"], 2],
    [["--add-optional", "0x80000001=missing"], 1],
  ])("%j is refused, and leaves nothing", (options, expected) => {
    const { status, stderr } = xenferry("rewrite", image, "none.xl", ...options);
    expect([status, stderr.toString() === ""]).toEqual([expected, false]);
    expect(files()).toEqual([]);
  });

  test("an interruption leaves nothing", async () => {
    const child = spawn(process.execPath, [MAIN, "-q", "rewrite", "-", "none.xl", "--fold"], {
      cwd: place.runDir,
      stdio: ["pipe", "inherit", "pipe"],
    });
    const entries = Array.from({ length: 64 }, (_, index) => [index, T.NOTAB, 1] as const);
    const bytes = join(parts.libxcHeaders(3, 2), parts.signal(16), parts.pageData(...entries));
    child.stdin.on("error", () => {});
    // More than a pipe holds: when all is written, most has been read.
    await new Promise((resolve) => child.stdin.write(bytes, resolve));
    expect(files()).toHaveLength(1);
    child.kill("SIGINT");
    const [status] = await once(child, "exit");
    expect(status).toBe(130);
    expect(files()).toEqual([]);
  });
});
