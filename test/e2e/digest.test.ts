import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { page } from "../golden/parts.ts";
import { smallImage } from "../mutations/images.ts";
import { makeRunDir, type TestRunDir } from "../support/guests.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

let place: TestRunDir;
const file = (name: string) => path.join(place.runDir, name);

beforeEach(async () => {
  place = await makeRunDir();
  writeFileSync(file("a.xl"), smallImage("hvm"));
});

afterEach(async () => {
  await place.dispose();
});

function xenferry(args: readonly string[], input?: Uint8Array) {
  const command = [MAIN, "--run-dir", place.runDir, ...args];
  return spawnSync(process.execPath, command, { cwd: place.runDir, ...(input && { input }) });
}

describe("xenferry digest", () => {
  test("a file beside the image, standard output, or a name; all the same", () => {
    const { stdout, status } = xenferry(["digest", "a.xl"]);
    expect(status).toBe(0);
    expect(String(stdout)).toMatch(/^[\da-f]{64}\n6 frames of a\.xl .*a\.xl\.digest: \d+ B\n$/);
    const streamed = xenferry(["-q", "digest", "-"], readFileSync(file("a.xl")));
    expect([streamed.status, String(streamed.stderr)]).toEqual([0, ""]);
    expect(streamed.stdout.equals(readFileSync(file("a.xl.digest")))).toBe(true);
    const named = xenferry(["--json", "digest", "a.xl", "-o", "other"]);
    expect(JSON.parse(String(named.stdout))).toMatchObject({ frames: 6, output: "other" });
    expect(readFileSync(file("other")).equals(streamed.stdout)).toBe(true);
  });

  test("an image that cannot be restored has none", () => {
    writeFileSync(file("cut.xl"), smallImage("hvm").subarray(0, 9000));
    const { stderr, status } = xenferry(["digest", "cut.xl"]);
    expect([status, existsSync(file("cut.xl.digest"))]).toEqual([1, false]);
    expect(String(stderr)).toContain("[STREAM_TRUNCATED]");
  });
});

describe("xenferry verify --digest", () => {
  const verify = (name: string, ...flags: readonly string[]) => {
    const { stdout, stderr, status } = xenferry([...flags, "verify", name, "--digest", "a.digest"]);
    return { stdout: String(stdout), stderr: String(stderr), status };
  };

  beforeEach(() => {
    xenferry(["digest", "a.xl", "-o", "a.digest"]);
  });

  test("says that the memory is the same", () => {
    const { stdout, status } = verify("a.xl");
    expect(status).toBe(0);
    expect(stdout).toMatch(/digest: the memory is the same, 6 frames\n$/);
  });

  test("names the first frame that is damaged, and where it lies", () => {
    const bytes = smallImage("hvm");
    const [first, second] = [page(1, 0x12), page(4, 0x14)].map((content) =>
      Buffer.from(bytes).indexOf(content),
    ) as [number, number];
    bytes[first + 100]! ^= 1;
    bytes[second + 4095]! ^= 0x80;
    writeFileSync(file("damaged.xl"), bytes);
    const { stdout, status } = verify("damaged.xl");
    expect(status).toBe(1);
    expect(stdout).toContain(
      "digest: 2 of 6 frames differ (other content 2); " +
        `the first is 0x1, whose page is at offset ${first}\n`,
    );
    const report = JSON.parse(verify("damaged.xl", "--json").stdout);
    expect(report.digest).toMatchObject({ differing: 2, first: { pfn: 1, offset: first } });
    expect(report.summary.isAccepted).toBe(false);
  });

  test.each([
    ["cut", (bytes: Buffer) => bytes.subarray(0, -1), "DIGEST_DAMAGED"],
    ["changed", (bytes: Buffer) => Buffer.from(bytes).fill(1, 70, 71), "DIGEST_DAMAGED"],
    ["an image", () => Buffer.from(smallImage("hvm")), "DIGEST_NOT"],
    ["empty", () => Buffer.alloc(0), "DIGEST_NOT"],
  ])("a digest that is %s is an error", (_, make, code) => {
    writeFileSync(file("a.digest"), make(readFileSync(file("a.digest"))));
    const { stdout, stderr, status } = verify("a.xl");
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(`[${code}]`);
  });

  test("a digest that is not there is an error", () => {
    const { status, stderr } = xenferry(["verify", "a.xl", "--digest", "none"]) as {
      status: number;
      stderr: Buffer;
    };
    expect(status).toBe(1);
    expect(String(stderr)).toContain("[TRANSPORT_OPEN]");
  });
});
