import { describe, expect, test } from "vitest";
import {
  type DiffOptions,
  diffImages,
  diffPage,
  withBothImages,
} from "../../src/migration/diff/diff.ts";
import { type Entry, Parts, page, T } from "../golden/parts.ts";
import { smallImage } from "../mutations/images.ts";
import { join, octetsIn } from "../support/bytes.ts";
import { ChunkedImage } from "../support/chunked-image.ts";
import { fixture } from "../support/fixtures.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import { sourceOf } from "../support/sources.ts";

const parts = new Parts();
const { u32, u64 } = octetsIn("little");
const ALL: DiffOptions = { pageDataHead: plainHeadCodec, parts: "all", ignore: [] };

/** One side as a stream, the other as a file. */
async function diff(a: Uint8Array, b: Uint8Array, options: Partial<DiffOptions> = {}) {
  const all = { ...ALL, ...options };
  const sources = { a: sourceOf(a, () => 999), b: new ChunkedImage([b]) };
  return await withBothImages(sources, all, (images) => diffImages(images, all));
}

async function stateOf(a: Uint8Array, b: Uint8Array, ignore: readonly string[] = []) {
  const { state } = await diff(a, b, { parts: "state", ignore });
  return state!.differences.map(({ path, a: ofA, b: ofB }) => [path, ofA, ofB]);
}

function hvm(...records: readonly Uint8Array[]): Uint8Array {
  return join(parts.libxcHeaders(3, 2), parts.signal(16), ...records, parts.signal(0));
}

const pages = (...entries: readonly Entry[]) => hvm(parts.pageData(...entries));

describe("memory", () => {
  test("frames by how they differ, in ranges", async () => {
    const same = [1, 2, 3].map((pfn) => [pfn, T.NOTAB, 0x11] as const);
    const a = pages(
      ...same,
      ...[10, 11, 12].map((pfn) => [pfn, T.NOTAB, 0xa] as const),
      [20, T.NOTAB],
      [21, T.NOTAB, 5],
      [30, T.NOTAB, 1],
      [31, T.NOTAB, 1],
      [0x10_0000, T.NOTAB, 1],
    );
    const b = pages(
      [0x10_0001, T.XALLOC],
      ...same,
      ...[10, 11, 12].map((pfn) => [pfn, T.NOTAB, 0xb] as const),
      [20, T.XALLOC],
      [21, T.NOTAB],
      [30, T.XTAB],
    );
    const { isEqual, memory } = await diff(a, b);
    expect(isEqual).toBe(false);
    expect(memory).toEqual({
      frames: { a: 11, b: 9 },
      differing: 8,
      by: { content: 4, type: 0, "content and type": 0, "only in A": 3, "only in B": 1 },
      ranges: [
        { kind: "content", firstPfn: 10, frameCount: 3 },
        { kind: "content", firstPfn: 21, frameCount: 1 },
        { kind: "only in A", firstPfn: 30, frameCount: 2 },
        { kind: "only in A", firstPfn: 0x10_0000, frameCount: 1 },
        { kind: "only in B", firstPfn: 0x10_0001, frameCount: 1 },
      ],
      rangeCount: 5,
    });
  });

  test("the order of frames, and what was sent before, does not count", async () => {
    const a = pages([1, T.NOTAB, 1], [2, T.NOTAB, 2], [3, T.XTAB]);
    const b = hvm(
      parts.pageData([2, T.NOTAB, 9], [1, T.NOTAB, 1]),
      parts.pageData([2, T.NOTAB, 2]),
    );
    expect(await diff(a, b)).toMatchObject({ isEqual: true, memory: { differing: 0 } });
  });

  test("more frames than are read at once, the last one other", async () => {
    const many = Array.from({ length: 700 }, (_, index) => [index * 2, T.NOTAB, 1] as const);
    const other = [...many.slice(0, -1), [1398, T.NOTAB, 2] as const];
    const { memory } = await diff(pages(...many), pages(...other));
    expect(memory?.ranges).toEqual([{ kind: "content", firstPfn: 1398, frameCount: 1 }]);
  });

  test("types of a PV guest's frames", async () => {
    const pv = (type: number, fill: number) =>
      join(
        parts.libxcHeaders(3, 1),
        parts.pvInfo(8),
        parts.signal(16),
        parts.pageData([5, type, fill]),
        parts.signal(0),
      );
    const { memory } = await diff(pv(T.L1, 1), pv(T.L1_PIN, 1));
    expect(memory).toMatchObject({ differing: 1, by: { type: 1 } });
    expect((await diff(pv(T.L1, 1), pv(T.NOTAB, 2))).memory?.by).toMatchObject({
      "content and type": 1,
    });
  });

  test("one page of both", async () => {
    const other = page(1, 0x11);
    other.set([1, 2, 3], 100);
    const images = {
      a: sourceOf(pages([1, T.NOTAB, 0x11], [2, T.XTAB])),
      b: sourceOf(pages([1, T.NOTAB, other], [2, T.NOTAB, 2])),
    };
    await withBothImages(images, ALL, async (both) => {
      expect(await diffPage(both, 1)).toEqual({
        pfn: 1,
        isEqual: false,
        a: { pageType: "NOTAB", page: page(1, 0x11) },
        b: { pageType: "NOTAB", page: other },
        differing: 3,
      });
      expect(await diffPage(both, 2)).toMatchObject({
        isEqual: false,
        a: { pageType: "XTAB", page: undefined },
        differing: undefined,
      });
      expect(await diffPage(both, 3)).toMatchObject({ isEqual: true, a: undefined, b: undefined });
    });
  });
});

describe("state", () => {
  const context = (change: (view: DataView) => void) => {
    const body = fixture("hvm-context").slice();
    change(new DataView(body.buffer));
    return hvm(parts.record(9, body));
  };
  const same = context(() => {});

  test("an image is like itself, in every kind", async () => {
    for (const kind of ["pvh", "hvm", "pv64", "pv32"] as const) {
      const result = await diff(smallImage(kind), smallImage(kind));
      expect(result).toMatchObject({ isEqual: true, state: { differing: 0, ignored: 0 } });
      expect(result.state!.compared).toBeGreaterThan(20);
    }
  });

  test("an entry of HVM_CONTEXT field by field", async () => {
    // The CPU's entry stands behind the header's: 8 and 24 octets, then 8; rip is at 640.
    const other = context((view) => view.setBigUint64(40 + 640, 0x1234n, true));
    expect(await stateOf(same, other)).toEqual([
      ["hvm.CPU[0].rip", "0xffffffff811c49f3", "0x1234"],
    ]);
  });

  test("octets that no field is decoded from", async () => {
    const other = context((view) => view.setUint8(40 + 1031, 7));
    const { state } = await diff(same, other);
    expect(state!.differences).toEqual([
      {
        area: "hvm",
        path: "hvm.CPU[0]",
        a: 1032,
        b: 1032,
        octets: { differing: 1, first: 1031, bytes: { a: 1032, b: 1032 } },
      },
    ]);
  });

  test("what tells the time can be left out, and so can paths", async () => {
    // tsc is behind msr_tsc_aux, which is at 1000.
    const other = context((view) => {
      view.setBigUint64(40 + 1008, 1n, true);
      view.setBigUint64(40 + 640, 2n, true);
    });
    const paths = async (ignore: readonly string[]) =>
      (await stateOf(same, other, ignore)).map(([path]) => path);
    expect(await paths([])).toEqual(["hvm.CPU[0].rip", "hvm.CPU[0].tsc"]);
    expect(await paths(["clocks"])).toEqual(["hvm.CPU[0].rip"]);
    expect(await paths(["clocks", "hvm.CPU*.rip"])).toEqual([]);
    expect(await paths(["hvm"])).toEqual([]);
    expect(await paths(["hvm.CP"])).toEqual(["hvm.CPU[0].rip", "hvm.CPU[0].tsc"]);
    const { isEqual, state } = await diff(same, other, { ignore: ["hvm"] });
    expect([isEqual, state?.ignored]).toEqual([true, 2]);
  });

  test("params, policies, TSC, xenstore, configuration, headers", async () => {
    const image = (parts_: {
      readonly xen: readonly [number, number];
      readonly params: readonly (readonly [number, number])[];
      readonly ecx: number;
      readonly msr: number;
      readonly khz: number;
      readonly key: string;
      readonly config: string;
    }) =>
      join(
        parts.xlHeader(parts_.config),
        parts.libxlHeader(),
        parts.signal(1),
        parts.libxcHeaders(3, 2, parts_.xen),
        parts.record(17, u32(1, 0xffffffff, 0, 0, parts_.ecx, 0)),
        parts.record(18, u32(0xce, 0), u64(parts_.msr)),
        parts.signal(16),
        parts.record(8, u32(1, parts_.khz), u64(5), u32(0, 0)),
        parts.hvmParams(...parts_.params),
        parts.signal(0),
        parts.xenstoreData(2, "/a", "1", "/key", parts_.key),
        parts.signal(0),
      );
    const a = image({
      xen: [4, 17],
      params: [
        [1, 0xfeffc],
        [5, 7],
      ],
      ecx: 1 << 25,
      msr: 0,
      khz: 1000,
      key: "x",
      config: '{"c_info":{"name":"a","list":[1,{"x":2}]}}',
    });
    const b = image({
      xen: [4, 18],
      params: [[1, 0xfeffd]],
      ecx: 0,
      msr: 0x8000_0000,
      khz: 2000,
      key: "y",
      config: '{"c_info":{"name":"b","list":[1,{"x":3},4]}}',
    });
    const found = await stateOf(a, b);
    expect(found).toEqual(
      expect.arrayContaining([
        ["domain.xen", "4.17", "4.18"],
        ["config.c_info.name", "a", "b"],
        ["config.c_info.list[1].x", 2, 3],
        ["config.c_info.list[2]", undefined, 4],
        ["cpuid.0x1.ecx", "0x2000000", "0x0"],
        ["cpuid.feature.aesni", true, undefined],
        ["tsc.khz", 1000, 2000],
        ["params.STORE_PFN", "0xfeffc", "0xfeffd"],
        ["params.IOREQ_PFN", "0x7", undefined],
        ["xenstore./key", "x", "y"],
      ]),
    );
    expect(found.find(([path]) => String(path).startsWith("msr.0xce"))).toBeDefined();
  });

  test("a device model's sections by name", async () => {
    const image = (emulator: Uint8Array) =>
      join(parts.libxlHeader(), parts.signal(1), hvm(), parts.record(3, emulator), parts.signal(0));
    const emulator = fixture("emulator-context");
    const other = emulator.slice();
    const at = Buffer.from(emulator).indexOf("fw_cfg") + 6 + 8;
    other[at + 3]! ^= 0xff;
    const { state } = await diff(image(emulator), image(other));
    expect(state!.differences).toEqual([
      {
        area: "emulator",
        path: "emulator.QEMU_UPSTREAM.fw_cfg[0].state",
        a: expect.any(Number),
        b: expect.any(Number),
        octets: expect.objectContaining({ differing: 1, first: 3 }),
      },
    ]);
  });

  test("registers of a PV guest's vCPUs", async () => {
    const image = smallImage("pv64");
    const other = image.slice();
    // cr3 of the first vCPU names frame 12: 5008 octets into the context.
    const context = Buffer.from(image).indexOf(u64(12 * 4096));
    other[context + 1] = 0xd0;
    expect(await stateOf(image, other)).toEqual([["vcpu[0].basic.ctrlreg[3]", "0xc000", "0xd000"]]);
  });

  test("records that nobody knows or that cannot be decoded, by their octets", async () => {
    const unknown = (octet: number) => hvm(parts.record(0x8000_1234, u32(octet, 2, 3)));
    const { state } = await diff(unknown(1), unknown(256 + 2));
    expect(state!.differences).toMatchObject([
      { area: "records", a: 12, b: 12, octets: { differing: 2, first: 0 } },
    ]);
    const broken = (octet: number) => hvm(parts.record(9, u32(1, octet)));
    expect((await diff(broken(1000), broken(1001))).state!.differing).toBe(1);
    expect((await diff(broken(1000), broken(1000))).state!.differing).toBe(0);
  });

  test("a thousand fields of one name are told apart, quickly", async () => {
    const strings = Array.from({ length: 40_000 }, () => ["/k", "v"]).flat();
    const image = (...more: readonly string[]) =>
      join(
        parts.libxlHeader(),
        parts.signal(1),
        hvm(),
        parts.xenstoreData(2, ...strings, ...more),
        parts.signal(0),
      );
    expect(await stateOf(image(), image("/k", "w"))).toEqual([
      ["xenstore./k#40001", undefined, "w"],
    ]);
  });
});

test.each([
  ["memory", { memory: expect.anything(), state: undefined }],
  ["state", { memory: undefined, state: expect.anything() }],
] as const)("%s alone", async (only, expected) => {
  const image = smallImage("hvm");
  expect(await diff(image, image, { parts: only })).toEqual({ isEqual: true, ...expected });
});
