import { describe, expect, test } from "vitest";
import type { StreamEvent } from "../../src/codec/events.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { nearest } from "../../src/migration/field-names.ts";
import { listFields, tryEdits } from "../../src/migration/list-fields.ts";
import { goldenStreams } from "../golden/build.ts";
import { Parts, T } from "../golden/parts.ts";
import { smallImage } from "../mutations/images.ts";
import { join } from "../support/bytes.ts";
import { ChunkedImage } from "../support/chunked-image.ts";
import { collectEvents } from "../support/events.ts";
import { fixture } from "../support/fixtures.ts";
import { rewriteBytes } from "../support/rewrite-run.ts";
import { sourceOf } from "../support/sources.ts";

const parts = new Parts();
const golden = goldenStreams();
const kinds = ["pvh", "hvm", "pv64", "pv32"] as const;
const pageDataHead = createReferenceEngine();
const { signal } = new AbortController();

/** Real state of an HVM guest: what the small images have is mostly zeros. */
function realHvm(): Uint8Array {
  const config =
    '{"c_info": {"type": "hvm", "name": "a"},\n "b_info": {"max_memkb": 49152, "x": [ ]}}';
  return join(
    parts.xlHeader(config),
    parts.libxlHeader(),
    parts.signal(1),
    parts.libxcHeaders(3, 2),
    parts.record(17, fixture("cpuid-policy")),
    parts.record(18, fixture("msr-policy")),
    parts.signal(16),
    parts.pageData([0, T.NOTAB, 1], [1, T.NOTAB, 2]),
    parts.tscInfo(),
    parts.record(9, fixture("hvm-context")),
    parts.record(10, fixture("hvm-params")),
    parts.signal(0),
    parts.xenstoreData(2, "physmap/f0/start_addr", "f0000000", "physmap/f0/name", "v\xe9ga"),
    parts.record(3, fixture("emulator-context")),
    parts.signal(0),
  );
}

const images = new Map([
  ...golden,
  ...kinds.map((kind) => [`small ${kind}`, smallImage(kind)] as const),
  ["real state", realHvm()],
]);

async function pathsOf(bytes: Uint8Array): Promise<ReadonlyMap<string, string | number>> {
  const fields = new Map<string, string | number>();
  const twice: string[] = [];
  const from = { source: sourceOf(bytes), pageDataHead, signal };
  for await (const { path, value } of listFields(from)) {
    twice.push(...(fields.has(path) ? [path] : []));
    fields.set(path, value);
  }
  expect(twice).toEqual([]);
  return fields;
}

async function set(
  bytes: Uint8Array,
  ...edits: readonly (readonly [path: string, value: string])[]
) {
  const fields = edits.map(([path, value]) => ({ path, value }));
  return await rewriteBytes(bytes, { fields }, { writes: "all" });
}

/** How many octets differ, of two images of one length. */
function differences(one: Uint8Array, other: Uint8Array): readonly number[] {
  expect(one).toHaveLength(other.length);
  return [...one.keys()].filter((at) => one[at] !== other[at]);
}

describe("listing", () => {
  test.each([...images])(
    "%s: set to what they are, all fields leave it as it is",
    async (_name, bytes) => {
      const fields = [...(await pathsOf(bytes))].map(
        ([path, value]) => [path, `${value}`] as const,
      );
      const { bytes: written, outcome } = await set(bytes, ...fields);
      expect(Buffer.compare(written, bytes)).toBe(0);
      expect(outcome.fields.map(({ path }) => path).sort()).toEqual(
        fields.map(([path]) => path).sort(),
      );
      expect(outcome.fields.filter(({ before, after }) => before !== after)).toEqual([]);
    },
  );

  test("what a small image has", async () => {
    const fields = await pathsOf(golden.get("pv64-v3.xl")!);
    expect(Object.fromEntries(fields)).toMatchObject({
      "xl.mandatory_flags": 3,
      "xl.config.c_info.type": "pv",
      "xl.config.b_info.max_vcpus": "2",
      "libxc.guest_type": 1,
      "libxc.xen": "4.17",
      "pv.guest_width": 8,
      "pv.pt_levels": 4,
      "msr[0xce].value": "0x80000000",
      "p2m.start_pfn": 0,
      "p2m.end_pfn": 1023,
      "p2m.p2m_pfns[1]": "0x15",
      "tsc.mode": 1,
      "tsc.khz": 2_400_000,
      "tsc.nsec": "123456789012",
      "vcpus[1].ctrlreg[3]": "0x10000",
    });
    const real = await pathsOf(images.get("real state")!);
    expect(Object.fromEntries(real)).toMatchObject({
      "xl.config.b_info.x": "[]",
      "xenstore.physmap/f0/name": "v\xe9ga",
      "emulator.emulator": "QEMU_UPSTREAM",
      "params.STORE_PFN": "0xfeffc",
      "hvm.CPU[1].cs_sel": "0x10",
      "hvm.PIC[0].is_master": 1,
    });
  });

  test("of a file pages are not read", async () => {
    const entries = Array.from({ length: 500 }, (_, index) => [index, T.NOTAB, 7] as const);
    const bytes = join(
      parts.libxcHeaders(3, 2),
      parts.signal(16),
      parts.pageData(...entries),
      parts.tscInfo(),
      parts.signal(0),
    );
    const image = new ChunkedImage([bytes]);
    const edits = [{ path: "tsc.khz", value: "1" }];
    const changes = await tryEdits({ source: image, pageDataHead, signal }, edits);
    expect(changes).toEqual([{ path: "tsc.khz", before: 2_400_000, after: 1 }]);
    expect(image.bytesRead).toBeLessThan(40_000);
  });

  test("what comes again has numbers", async () => {
    const fields = await pathsOf(golden.get("hvm-remus.xl")!);
    const roots = [...fields.keys()].filter((path) => path.endsWith(".khz"));
    expect(roots).toEqual(["tsc.khz", "tsc#2.khz", "tsc#3.khz"]);
    expect([...fields.keys()].filter((path) => path.startsWith("emulator"))).toHaveLength(6);
  });
});

describe("setting", () => {
  const real = images.get("real state")!;

  test("changes the octets of the field and no others", async () => {
    const hpet = await set(real, ["hvm.HPET[0].config", "0xfedcba9876543210"]);
    const places = differences(hpet.bytes, real);
    expect(Buffer.from(hpet.bytes.subarray(places[0]!, places[0]! + 8)).toString("hex")).toBe(
      "1032547698badcfe",
    );
    expect(places.length).toBeLessThanOrEqual(8);
    const bits = await set(real, ["hvm.PIC[0].is_master", "0"]);
    expect(differences(bits.bytes, real)).toHaveLength(1);
  });

  test.each([
    ["hvm.HPET[0].timers[1].fsb", "0x1"],
    ["hvm.CPU[1].rax", "0x123"],
    ["hvm.CPU[0].fpu.xmm[15]", "0xffffffffffffffffffffffffffffffff"],
    ["hvm.RTC[0].cmos_data", "000102030405060708090a0b0c0d"],
    ["hvm.RTC[0].rtc_offset", "-1"],
    ["hvm.LAPIC_REGS[0].irr[7]", "0x80000000"],
    ["hvm.MTRR[0].var[7].mask", "0x800"],
    ["params.STORE_PFN", "0x1"],
    ["tsc.nsec", "18446744073709551615"],
    ["cpuid[0x1].eax", "0xffffffff"],
    ["msr[0xce].flags", "7"],
    ["libxc.guest_type", "1"],
    ["emulator.emulator", "QEMU_TRADITIONAL"],
    ["xl.optional_flags", "4294967295"],
  ])("%s becomes %s, and all others stay", async (path, value) => {
    const { bytes, outcome } = await set(real, [path, value]);
    expect(outcome.fields[0]).toMatchObject({ path });
    expect(`${outcome.fields[0]?.after}`).toBe(value);
    const [before, after] = [await pathsOf(real), await pathsOf(bytes)];
    expect(`${after.get(path)}`).toBe(value);
    expect([...after].filter(([name]) => name !== path)).toEqual(
      [...before].filter(([name]) => name !== path),
    );
  });

  test("what makes it longer or shorter", async () => {
    for (const name of ["", "a", 'longer than it was, with "quotes" and ü']) {
      const edits = [
        ["xl.config.c_info.name", name],
        ["xl.config.b_info.x", '[{"y": 1}]'],
        ["xenstore.physmap/f0/start_addr", name.slice(0, 9)],
        ["libxc.xen", "4.22"],
      ] as const;
      const { bytes } = await set(real, ...edits);
      const fields = Object.fromEntries(await pathsOf(bytes));
      expect(fields).toMatchObject({
        "xl.config.c_info.name": name,
        "xl.config.b_info.x[0].y": "1",
        "xenstore.physmap/f0/start_addr": name.slice(0, 9),
        "libxc.xen": "4.22",
        "tsc.khz": 2_400_000,
      });
      expect(await without(bytes, "xl-header", "EMULATOR_XENSTORE_DATA", "domain-header")).toEqual(
        await without(real, "xl-header", "EMULATOR_XENSTORE_DATA", "domain-header"),
      );
    }
  });

  test("in the stream's byte order", async () => {
    const bytes = golden.get("pv64-v3-big-endian.xl")!;
    const edits = [
      ["tsc.khz", "0x01020304"],
      ["p2m.p2m_pfns[0]", "0x5"],
      ["vcpus[0].user_regs.rip", "0x1122334455667788"],
    ] as const;
    const { bytes: written } = await set(bytes, ...edits);
    const text = Buffer.from(written).toString("hex");
    expect(text).toContain("0000000000000005");
    expect(text).toContain("01020304");
    expect(text).toContain("8877665544332211");
  });

  test("the same field twice: in order", async () => {
    const { outcome } = await set(real, ["tsc.khz", "5"], ["tsc.khz", "6"]);
    expect(outcome.fields).toEqual([
      { path: "tsc.khz", before: 2_400_000, after: 5 },
      { path: "tsc.khz", before: 5, after: 6 },
    ]);
  });

  test.each([
    ["nothing", "FIELD_UNKNOWN"],
    ["hvm.HPET.config", "FIELD_UNKNOWN"],
    ["hvm.HPET[1].config", "FIELD_UNKNOWN"],
    ["xl.config.c_info.nam", "FIELD_UNKNOWN"],
    ["cpuid.features", "FIELD_DERIVED"],
    ["cpuid[0x1].features", "FIELD_DERIVED"],
    ["cpuid.cpu.vendor", "FIELD_DERIVED"],
    ["params.count", "FIELD_DERIVED"],
    ["hvm.CPU_XSAVE[0].components", "FIELD_DERIVED"],
    ["emulator.sections[0].name", "FIELD_DERIVED"],
    ["libxc.version", "FIELD_DERIVED"],
    ["memory_sha256", "FIELD_DERIVED"],
    ["frames.distinct", "FIELD_DERIVED"],
  ])("%s: %s", async (path, code) => {
    const from = { source: sourceOf(real), pageDataHead, signal };
    await expect(tryEdits(from, [{ path, value: "1" }])).rejects.toMatchObject({
      code,
      where: { path },
      exitStatus: 2,
    });
    await expect(set(real, [path, "1"])).rejects.toMatchObject({ code });
  });

  test("a value that does not fit says what would", async () => {
    await expect(set(real, ["tsc.khz", "4294967296"])).rejects.toMatchObject({
      code: "FIELD_VALUE",
      where: { path: "tsc.khz", value: "4294967296", least: 0n, most: 4294967295n },
    });
    await expect(set(real, ["libxc.xen", "4"])).rejects.toMatchObject({ code: "FIELD_VALUE" });
    const key = "xenstore.physmap/f0/name";
    await expect(set(real, [key, "\u0100"])).rejects.toMatchObject({ code: "FIELD_VALUE" });
    await expect(set(real, [key, "a\0b"])).rejects.toMatchObject({ code: "FIELD_VALUE" });
  });

  test("what verify then refuses is not written", async () => {
    const fields = [{ path: "hvm.HEADER[0].magic", value: "0" }];
    await expect(rewriteBytes(real, { fields })).rejects.toMatchObject({
      code: "REWRITE_REFUSED",
      where: { record: "HVM_CONTEXT" },
    });
  });
});

test("near names: few changes, or the last part", () => {
  const known = ["hvm.CPU[0].rip", "hvm.CPU[0].rax", "hvm.HPET[0].config", "params.STORE_PFN"];
  expect(nearest("rip", known)).toEqual(["hvm.CPU[0].rip"]);
  expect(nearest("hvm.cpu.rax", known)[0]).toBe("hvm.CPU[0].rax");
  expect(nearest("params.STOR_PFN", known)).toEqual(["params.STORE_PFN"]);
  expect(nearest("quite different", known)).toEqual([]);
});

/** The octets of all records and headers but some. */
async function without(bytes: Uint8Array, ...left: readonly string[]): Promise<readonly unknown[]> {
  const nameOf = (event: StreamEvent) => (event.kind === "record" ? event.name : event.kind);
  const events = await collectEvents(bytes, { purpose: "inspect" });
  return events
    .filter((event) => !left.includes(nameOf(event) ?? ""))
    .map((event) => ({ ...event, offset: 0, pagesOffset: 0 }));
}
