import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { probeHost } from "../../src/guest/host.ts";
import { Parts, T } from "../golden/parts.ts";
import { join } from "../support/bytes.ts";
import { fixture } from "../support/fixtures.ts";
import { makeRunDir, type TestRunDir } from "../support/guests.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const parts = new Parts();
const { signal } = { signal: (type: number) => parts.signal(type) };

/** An HVM guest whose first vCPU has its top page table at frame 0x180a. */
function hvmImage(pages: Uint8Array): Uint8Array {
  const config = '{"c_info":{"type":"hvm","name":"a\\u001bb"},"b_info":{"max_memkb":49152}}';
  return join(
    parts.xlHeader(config),
    parts.libxlHeader(),
    signal(1),
    parts.libxcHeaders(3, 2),
    parts.record(17, fixture("cpuid-policy")),
    parts.record(18, fixture("msr-policy")),
    signal(16),
    pages,
    parts.tscInfo(),
    parts.record(9, fixture("hvm-context")),
    parts.record(10, fixture("hvm-params")),
    signal(0),
    parts.record(3, fixture("emulator-context")),
    signal(0),
  );
}

/** A record of one page of entries, and one of the text they lead to. */
function tables(): Uint8Array {
  const entries = (...all: readonly (readonly [index: number, entry: bigint])[]) => {
    const page = new Uint8Array(4096);
    for (const [index, entry] of all) {
      new DataView(page.buffer).setBigUint64(index * 8, entry, true);
    }
    return page;
  };
  const pfns = [0x180an, 0x180bn, 0x180cn, 0x180dn];
  return parts.record(
    1,
    parts.o.u32(pfns.length, 0),
    parts.o.u64(...pfns),
    entries([0, 0x180b067n]),
    entries([0, 0x180c067n]),
    entries([1, 0x180_0081n]),
    new Uint8Array(4096).fill(0x58),
  );
}

let place: TestRunDir;
let image = "";

beforeEach(async () => {
  place = await makeRunDir();
  image = path.join(place.runDir, "guest.xl");
  writeFileSync(image, hvmImage(tables()));
});

afterEach(async () => {
  await place.dispose();
});

function xenferry(...args: readonly string[]) {
  const command = [MAIN, "--run-dir", place.runDir, ...args];
  return spawnSync(process.execPath, command, { encoding: "utf8", cwd: place.runDir });
}

function outputOf(...args: readonly string[]): string {
  const { stdout, stderr, status } = xenferry(...args);
  expect([stderr, status]).toEqual(["", 0]);
  return stdout;
}

describe("xenferry inspect", () => {
  test("an overview, and nothing that steers the terminal", () => {
    const text = outputOf("inspect", image);
    expect(text).toContain('guest          "a\\x1bb", HVM, 48.0 MiB, 2 vCPUs\n');
    expect(text).toContain("format         xl > libxl 2 > libxc 3\n");
    expect(text).toContain("CPU            QEMU TCG CPU version 2.5+ (AuthenticAMD 15/107/1)\n");
    expect(text).toContain("device model   QEMU_UPSTREAM, 7,777 octets, 26 sections\n");
    expect(text).toContain("frames by type   NOTAB 4\n");
    expect(text).toMatch(/^MAP OF MEMORY$/m);
    expect(text).not.toMatch(/^HVM CONTEXT$/m);
    expect(outputOf("inspect", image)).toBe(text);
  });

  test("sections by name, one without its title, all within the width", () => {
    expect(outputOf("inspect", image, "--section", "tsc")).toBe(
      "mode                   1   khz              2400000   nsec        123456789012\n" +
        "incarnation            3\n",
    );
    const all = outputOf("inspect", image, "--section", "all");
    const titles = ["OVERVIEW", "CONFIGURATION", "RECORDS", "MEMORY", "CPUID POLICY", "MSR POLICY"];
    for (const title of [...titles, "HVM PARAMS", "HVM CONTEXT", "DEVICE MODEL"]) {
      expect(all).toContain(`${title}\n`);
    }
    expect(all).toContain("LAPIC_REGS 1 (1024 octets)");
    expect(all).toContain("rip              0xffffffff811c49f3");
    const long = all.split("\n").filter((line) => line.length > 120);
    expect(long).toEqual([]);
    const some = outputOf("inspect", image, "--section", "params,msr");
    expect(some.match(/^[A-Z]/gm)).toHaveLength(2);
  });

  test("everything as JSON, whatever the sections", () => {
    const report = JSON.parse(outputOf("--json", "inspect", image, "--section", "tsc"));
    const context = report.details.find(
      (record: { name: string }) => record.name === "HVM_CONTEXT",
    );
    expect(context.entries).toHaveLength(29);
    expect(report).toMatchObject({ duplicates: 0, iterations: [{ entries: 4, with_data: 4 }] });
  });

  test("a page, and the page at an address", () => {
    const page = outputOf("inspect", image, "--page", "0x180d");
    expect(page).toBe(
      "frame 0x180d: NOTAB, sent 1 times\n" +
        `00000000  ${"58 ".repeat(8)} ${"58 ".repeat(7)}58 |${"X".repeat(16)}|\n*\n00001000\n`,
    );
    const walk = outputOf("inspect", image, "--at", "vcpu0:0x20d123");
    expect(walk).toContain("0x20d123 is 0x180d123, a page of 2097152 octets, frame 0x180d\n");
    expect(walk).toContain(`00000123  ${"58 ".repeat(8)}`);
    expect(outputOf("inspect", image, "--at", "0x180a000:0x20d123")).toBe(walk);
    const { walk: steps, content } = JSON.parse(
      outputOf("--json", "inspect", image, "--at", "vcpu0:0x20d123"),
    );
    expect(steps).toMatchObject({ mode: "4-level", outcome: "mapped", pfn: 0x180d });
    expect(content).toBe("58".repeat(256));
    expect(outputOf("inspect", image, "--at", "vcpu0:0")).toContain("0x0 is not mapped (4-level)");
  });

  test.each([
    ["a section nobody has", ["--section", "nothing"]],
    ["a frame the image does not name", ["--page", "7"]],
    ["no frame's number", ["--page", "x"]],
    ["no address", ["--at", "vcpu0"]],
    ["a vCPU the guest does not have", ["--at", "vcpu9:0"]],
    ["an address no mode has", ["--at", "vcpu0:0x8000000000000000"]],
    ["a mode that does not exist", ["--at", "vcpu0:0", "--paging", "6-level"]],
  ])("%s is wrong use", (_name, args) => {
    const { status, stdout } = xenferry("inspect", image, ...args);
    expect([status, stdout]).toEqual([2, ""]);
  });

  test("what was read of a truncated image, and why no more", () => {
    const cut = path.join(place.runDir, "cut.xl");
    writeFileSync(cut, hvmImage(parts.pageData([1, T.NOTAB, 1])).subarray(0, 9000));
    const { status, stdout } = xenferry("inspect", cut);
    expect(status).toBe(1);
    expect(stdout).toMatch(/FAULTS\n {2}reading ended early: .*STREAM_TRUNCATED/);
  });
});

describe("xenferry cpuid", () => {
  /** The same guest on a CPU without AES and x2APIC. */
  function otherImage(): string {
    const policy = fixture("cpuid-policy");
    const view = new DataView(policy.buffer);
    view.setUint32(24 + 16, view.getUint32(24 + 16, true) & ~(1 << 25) & ~(1 << 21), true);
    const file = path.join(place.runDir, "other.xl");
    const stream = join(parts.libxcHeaders(3, 2), parts.record(17, policy), signal(16), signal(0));
    writeFileSync(file, stream);
    return file;
  }

  test("what a guest was told", () => {
    const text = outputOf("cpuid", image);
    expect(text).toContain("brand                 QEMU TCG CPU version 2.5+");
    expect(text).toContain("  fpu de pse tsc msr pae mce cx8 apic sep mtrr");
    expect(JSON.parse(outputOf("--json", "cpuid", image)).features).toContain("x2apic");
  });

  test("what another lacks, with a status to go by", () => {
    const other = otherImage();
    const { status, stdout } = xenferry("cpuid", image, "--against", other);
    expect(status).toBe(1);
    expect(stdout).toContain(`${other} lacks:\n  x2apic aesni\n`);
    expect(outputOf("cpuid", other, "--against", image)).toContain("has all that the guest");
  });

  test("the line that levels guests", () => {
    expect(outputOf("cpuid", "--level", image, otherImage())).toBe('cpuid="host,x2apic=0,aes=0"\n');
    const { common, removed } = JSON.parse(
      outputOf("--json", "cpuid", "--level", image, otherImage()),
    );
    expect(removed).toEqual(["x2apic", "aesni"]);
    expect(common).toContain("sse4-2");
  });

  test.skipIf(probeHost().addon?.readCpuid(0, 0) === undefined)("this machine's CPU", () => {
    const { cpu, features } = JSON.parse(outputOf("--json", "cpuid", "host"));
    expect(cpu.vendor).toHaveLength(12);
    expect(features).toEqual(expect.arrayContaining(["fpu", "sse2", "lm"]));
    const { status } = xenferry("cpuid", image, "--against", "host");
    expect([0, 1]).toContain(status);
  });

  test("an image that does not say, and wrong use", () => {
    const old = path.join(place.runDir, "old.libxc");
    writeFileSync(old, join(parts.libxcHeaders(2, 2), parts.pageData([1, T.NOTAB, 1]), signal(0)));
    expect(xenferry("cpuid", old)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("STREAM_NO_POLICY"),
    });
    expect(xenferry("cpuid", image, image).status).toBe(2);
    expect(xenferry("cpuid", image, "--level", "--against", image).status).toBe(2);
  });
});
