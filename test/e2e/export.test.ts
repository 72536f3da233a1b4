import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Parts, page, T } from "../golden/parts.ts";
import { join, octetsIn } from "../support/bytes.ts";
import { fixture } from "../support/fixtures.ts";
import { makeRunDir, type TestRunDir } from "../support/guests.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const parts = new Parts();
const { u64 } = octetsIn("little");

/** Frame 0x3000 is mapped where the first vCPU stands, and its top page table is at 0x180a. */
function hvmImage(): Uint8Array {
  const table = (index: number, entry: bigint) => {
    const content = new Uint8Array(4096);
    content.set(u64(entry), index * 8);
    return content;
  };
  const zeros = Array.from({ length: 600 }, (_, index) => [0x4000 + index, T.NOTAB] as const);
  return join(
    parts.libxcHeaders(3, 2),
    parts.signal(16),
    parts.pageData(
      [0x180a, T.NOTAB, table(511, 0x180b003n)],
      [0x180b, T.NOTAB, table(510, 0x180c003n)],
      [0x180c, T.NOTAB, table(8, 0x180d003n)],
      [0x180d, T.NOTAB, table(0x1c4, 0x3000_003n)],
      [0x3000, T.NOTAB, page(0x3000, 0x90)],
    ),
    parts.pageData(...zeros),
    parts.record(9, fixture("hvm-context")),
    parts.signal(0),
  );
}

let place: TestRunDir;
let image = "";
const file = (name: string) => path.join(place.runDir, name);

beforeEach(async () => {
  place = await makeRunDir();
  image = file("guest.img");
  writeFileSync(image, hvmImage());
});

afterEach(async () => {
  await place.dispose();
});

function xenferry(...args: readonly string[]) {
  const command = [MAIN, "--run-dir", place.runDir, ...args];
  return spawnSync(process.execPath, command, { cwd: place.runDir, maxBuffer: 64 << 20 });
}

describe("xenferry export", () => {
  test("zeros become holes, and the file is as long as it has to be", () => {
    const { stdout, stderr, status } = xenferry("export", image, "memory", "--format", "raw");
    expect([status, String(stderr)]).toEqual([0, ""]);
    expect(String(stdout)).toMatch(
      /^exported 605 frames in 3 ranges as raw, 600 of zeros: 66\.3 MiB, 66\.3 MiB of that holes, /,
    );
    const { size, blocks } = statSync(file("memory"));
    expect(size).toBe(0x4258 * 4096);
    expect(blocks * 512).toBeLessThan(2 << 20);
    const bytes = readFileSync(file("memory"));
    expect(bytes.subarray(0x3000 * 4096, 0x3001 * 4096)).toEqual(Buffer.from(page(0x3000, 0x90)));
    expect(readdirSync(place.runDir).filter((name) => name.includes("partial"))).toEqual([]);
  });

  test.each(["elf", "dump-core", "lime", "raw"])("%s: the same through pipes", (format) => {
    expect(xenferry("export", image, "a", "--format", format).status).toBe(0);
    const command = [MAIN, "-q", "--run-dir", place.runDir, "export", "-", "-", "--format", format];
    const input = readFileSync(image);
    const { stdout, status } = spawnSync(process.execPath, command, { input, maxBuffer: 1 << 30 });
    expect(status).toBe(0);
    expect(stdout.equals(readFileSync(file("a")))).toBe(true);
  });

  test("JSON, of a core by virtual addresses", () => {
    const { stdout } = xenferry("--json", "export", image, "core", "--virtual");
    expect(JSON.parse(String(stdout))).toMatchObject({
      output: "core",
      format: "elf",
      guest: "hvm",
      vcpus: 2,
      frames: 605,
      zeroFrames: 600,
      bytes: statSync(file("core")).size,
      elf: { elfClass: 64, segments: 1, cr3: "0x180a000", paging: "4-level", mappedFrames: 1 },
    });
  });

  test("what fails leaves what was there", () => {
    writeFileSync(file("core"), "older");
    writeFileSync(file("cut.img"), hvmImage().subarray(0, -20));
    const { stderr, status } = xenferry("export", file("cut.img"), "core");
    expect(status).toBe(1);
    expect(String(stderr)).toContain("[STREAM_TRUNCATED]");
    expect(readFileSync(file("core"), "utf8")).toBe("older");
    expect(readdirSync(place.runDir).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test.each([
    ["a format nobody has", ["--format", "vmdk"]],
    ["virtual addresses of a raw file", ["--format", "raw", "--virtual"]],
    ["a vCPU the guest does not have", ["--virtual", "vcpu9"]],
    ["no address of tables", ["--virtual", "kernel"]],
    ["a mode that does not exist", ["--virtual", "--paging", "6-level"]],
  ])("%s is wrong use", (_name, args) => {
    expect(xenferry("export", image, "core", ...args).status).toBe(2);
    expect(existsSync(file("core"))).toBe(false);
  });
});

const hasGdb = spawnSync("gdb", ["--version"]).status === 0;

describe.skipIf(!hasGdb)(hasGdb ? "gdb" : "gdb (skipped: it is not installed)", () => {
  function gdb(core: string, ...commands: readonly string[]): string {
    const args = ["-nx", "-batch", ...commands.flatMap((one) => ["-ex", one]), "-c", file(core)];
    return spawnSync("gdb", args, { encoding: "utf8" }).stdout;
  }

  test("reads registers, threads and physical memory", () => {
    xenferry("export", image, "core");
    const text = gdb("core", "info threads", "p/x $rsp", "p/x $gs_base", "x/2gx 0x3000000");
    expect(text).toMatch(/LWP 1 +0xffffffff811c49f3/);
    expect(text).toMatch(/LWP 2 +0xffffffff8108bcf9/);
    expect(text).toContain("= 0xffffc9000006fe60");
    expect(text).toContain("= 0xffff888002a00000");
    expect(text).toMatch(/0x3000000:\t0x0000000000003000\t0x0000000000000090/);
  });

  test("reads memory by the addresses of a vCPU", () => {
    xenferry("export", image, "core", "--virtual", "vcpu0");
    const text = gdb("core", "x/1bx $rip", "x/1gx 0xffffffff811c4000");
    expect(text).toMatch(/0xffffffff811c49f3:\t0x90/);
    expect(text).toMatch(/0xffffffff811c4000:\t0x0000000000003000/);
  });
});
