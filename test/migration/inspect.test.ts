import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FrameTable } from "../../src/migration/frame-table.ts";
import { type InspectOptions, inspectStream } from "../../src/migration/inspect.ts";
import { PageStore } from "../../src/migration/page-store.ts";
import { openImage } from "../../src/transport/image-file.ts";
import { goldenStreams } from "../golden/build.ts";
import { Parts, page, T } from "../golden/parts.ts";
import { join, octetsIn } from "../support/bytes.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import { sourceOf } from "../support/sources.ts";
import { seededRandom } from "../support/splitmix32.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "xenferry-test-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const parts = new Parts();

async function inspect(bytes: Uint8Array, options: Partial<InspectOptions> = {}) {
  return await inspectStream(sourceOf(bytes), { pageDataHead: plainHeadCodec, ...options });
}

/** From a file, so that pages are read again instead of spooled. */
async function inspectFile(bytes: Uint8Array) {
  const file = path.join(folder, "image");
  await writeFile(file, bytes);
  const image = await openImage(file);
  try {
    expect(image.randomAccess).toBeDefined();
    return await inspectStream(image, { pageDataHead: plainHeadCodec });
  } finally {
    await image.close();
  }
}

/** The digest by its definition: frame number and page of each frame, rising. */
function digestOf(...frames: readonly (readonly [number, Uint8Array])[]): string {
  const hash = createHash("sha256");
  for (const [pfn, content] of frames) {
    hash.update(octetsIn("little").u64(pfn)).update(content);
  }
  return hash.digest("hex");
}

function hvm(...records: readonly Uint8Array[]): Uint8Array {
  return join(parts.libxcHeaders(3, 2), parts.signal(16), ...records, parts.signal(0));
}

describe("inspectStream", () => {
  test("everything there is to say of a small stream", async () => {
    const stream = goldenStreams().get("hvm-v3.xl")!;
    const expected = {
      format: "xl",
      byte_order: { xl: "little", libxl: "little", libxc: "little" },
      records: [
        { layer: "libxl", name: "LIBXC_CONTEXT", count: 1, bytes: 0 },
        { layer: "libxc", name: "X86_CPUID_POLICY", count: 1, bytes: 48 },
        { layer: "libxc", name: "X86_MSR_POLICY", count: 1, bytes: 16 },
        { layer: "libxc", name: "STATIC_DATA_END", count: 1, bytes: 0 },
        { layer: "libxc", name: "PAGE_DATA", count: 2, bytes: 8 + 40 + 8192 + 8 + 16 + 8192 },
        { layer: "libxc", name: "X86_TSC_INFO", count: 1, bytes: 24 },
        { layer: "libxc", name: "HVM_PARAMS", count: 1, bytes: 40 },
        { layer: "libxc", name: "HVM_CONTEXT", count: 1, bytes: 56 },
        { layer: "libxc", name: "END", count: 1, bytes: 0 },
        { layer: "libxl", name: "EMULATOR_XENSTORE_DATA", count: 1, bytes: 69 },
        { layer: "libxl", name: "EMULATOR_CONTEXT", count: 1, bytes: 29 },
        { layer: "libxl", name: "END", count: 1, bytes: 0 },
      ],
      records_left_out: 0,
      xl_header_bytes: 126,
      xl: {
        mandatory_flags: 3,
        optional_flags: 0,
        config: { c_info: { type: "hvm", name: "golden" }, b_info: { max_vcpus: 1 } },
      },
      libxl: { version: 2, options: 0 },
      libxc: {
        id: "0x58454e46",
        version: 3,
        options: 0,
        guest_type: 2,
        page_shift: 12,
        xen: "4.17",
      },
      static_data_end: "record",
      bytes: stream.length,
      trailing_bytes: 0,
      page_entries_by_type: { NOTAB: 4, XTAB: 1, BROKEN: 1, XALLOC: 1 },
      frames: {
        entries: 7,
        distinct: 6,
        sent_at_least_n_times: [6, 1],
        with_memory: 4,
        all_zero: 1,
        lowest: 0,
        highest: 0xff000,
        by_type: { NOTAB: 3, BROKEN: 1, XALLOC: 1, XTAB: 1 },
      },
      iterations: [
        { offset: 278, entries: 5, with_data: 2, again: 0 },
        { offset: 8526, entries: 2, with_data: 2, again: 1 },
      ],
      map: {
        frames_per_cell: 512,
        rows: [
          { first_pfn: 0, cells: `:${" ".repeat(63)}` },
          { first_pfn: 0xf8000, cells: `${" ".repeat(56)}.${" ".repeat(7)}` },
        ],
      },
      memory_sha256: digestOf(
        [0, page(0, 0x11)],
        [1, page(1, 0x22)],
        [3, page(3, 0x33)],
        [0xff000, page(0, 0)],
      ),
      faults: [],
    };
    const inspected = await inspect(stream);
    expect(inspected).toMatchObject(expected);
    expect(Object.keys(inspected).sort()).toEqual([...Object.keys(expected), "details"].sort());
    expect(JSON.parse(JSON.stringify(inspected))).toEqual(inspected);
    const reread = await inspectFile(stream);
    expect(reread).toEqual(inspected);
  });

  test("small records decoded", async () => {
    const { details } = await inspect(goldenStreams().get("hvm-v3.xl")!);
    expect(details).toMatchObject([
      { name: "X86_CPUID_POLICY", count: 2, leaves: [{ leaf: "0x0", subleaf: null }, {}] },
      { name: "X86_MSR_POLICY", count: 1, msrs: [{ msr: "0xce", value: "0x80000000" }] },
      { name: "X86_TSC_INFO", mode: 1, khz: 2_400_000, nsec: "123456789012", incarnation: 3 },
      {
        name: "HVM_PARAMS",
        params: [
          { index: "1", name: "STORE_PFN", value: "0xfeffc" },
          { index: "17", name: "CONSOLE_PFN", value: "0xfefff" },
        ],
      },
      {
        name: "HVM_CONTEXT",
        entries: [
          { type: "HEADER", body_offset: 0, bytes: 24, fields: { cpuid: "0x506e3" } },
          { type: "TSC_ADJUST", body_offset: 32, bytes: 8 },
          { type: "END", body_offset: 48, bytes: 0 },
        ],
      },
      {
        name: "EMULATOR_XENSTORE_DATA",
        emulator: "QEMU_UPSTREAM",
        index: 0,
        xenstore: [
          { key: "physmap/f0000000/start_addr", value: "f0000000" },
          { key: "physmap/f0000000/size", value: "1" },
        ],
      },
      {
        name: "EMULATOR_CONTEXT",
        emulator: "QEMU_UPSTREAM",
        context_bytes: 21,
      },
    ]);
  });

  test("entries after VERIFY do not count", async () => {
    const inspected = await inspect(goldenStreams().get("hvm-verify-captured.xl")!);
    expect(inspected.frames.entries).toBe(5);
    expect(inspected.memory_sha256).toBe(
      digestOf([0, page(0, 0x11)], [1, page(1, 0)], [0xff000, page(0, 0)]),
    );
    expect(inspected.trailing).toBe("domain is yours, you are cleared to unpause\0");
    expect(inspected.trailing_sentence).toBe("PERMISSION");
  });

  test("the last page of a frame counts, also across checkpoints", async () => {
    const inspected = await inspect(goldenStreams().get("hvm-remus.xl")!);
    expect(inspected.memory_sha256).toBe(
      digestOf([0, page(0, 0x11)], [1, page(1, 0x44)], [2, page(2, 0x55)], [0xff000, page(0, 0)]),
    );
    expect(inspected.frames).toMatchObject({ with_memory: 4, all_zero: 1 });
  });

  test("a frame can get zeros, nothing, content again; allocated again it keeps that", async () => {
    const pages = [
      parts.pageData([4, T.NOTAB, 1], [5, T.NOTAB, 1], [6, T.NOTAB, 1], [7, T.NOTAB, 0]),
      parts.pageData([4, T.NOTAB, 0], [5, T.XTAB], [7, T.NOTAB, 9]),
      parts.pageData([4, T.NOTAB, 2], [5, T.NOTAB, 3], [6, T.XALLOC]),
    ];
    const bytes = hvm(...pages);
    const inspected = await inspect(bytes);
    expect(inspected.memory_sha256).toBe(
      digestOf([4, page(4, 2)], [5, page(5, 3)], [6, page(6, 1)], [7, page(7, 9)]),
    );
    expect(inspected.frames).toMatchObject({
      sent_at_least_n_times: [4, 4, 2],
      with_memory: 4,
      all_zero: 0,
    });
    expect((await inspectFile(bytes)).memory_sha256).toBe(inspected.memory_sha256);
  });

  test("frames far apart, falling, and more than one run", async () => {
    const pfns = Array.from({ length: 700 }, (_, index) => 0xffff_ffff - index * 65_537);
    const records = pfns.map((pfn) => parts.pageData([pfn, T.NOTAB, pfn % 5]));
    const bytes = hvm(...records);
    const expected = digestOf(
      ...[...pfns].reverse().map((pfn) => [pfn, page(pfn, pfn % 5)] as const),
    );
    const before = process.memoryUsage().arrayBuffers;
    const inspected = await inspect(bytes);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 1024 * 1024);
    expect(inspected.memory_sha256).toBe(expected);
    expect((await inspectFile(bytes)).memory_sha256).toBe(expected);
  });

  test("without a digest nothing is read again", async () => {
    const options = { memoryDigest: "leave-out" } as const;
    const inspected = await inspect(goldenStreams().get("hvm-v3.xl")!, options);
    expect(inspected).not.toHaveProperty("memory_sha256");
    expect(inspected.frames.with_memory).toBe(4);
  });

  test("a truncated stream gives what was read, and why no more", async () => {
    const stream = goldenStreams().get("pv64-v3.xl")!;
    const inspected = await inspect(stream.subarray(0, 700));
    expect(inspected.error).toMatchObject({
      code: "STREAM_TRUNCATED",
      where: { offset: 700, record: "PAGE_DATA" },
    });
    expect(inspected.libxc).toMatchObject({ version: 3, guest_type: 1 });
    expect(inspected.records.map(({ name }) => name)).toContain("X86_PV_INFO");
    expect(inspected).not.toHaveProperty("memory_sha256");
  });

  test("what restoring would refuse is a fault, and plain JSON", async () => {
    const bad = parts.record(1, parts.o.u32(1, 0), parts.o.u64(0x1_0000_0000));
    const inspected = await inspect(hvm(bad));
    expect(inspected.faults).toMatchObject([
      { code: "PAGE_DATA_PFN", where: { pfn: "0x100000000" } },
    ]);
    expect(() => JSON.stringify(inspected)).not.toThrow();
    const big = await inspect(goldenStreams().get("pv64-v3-big-endian.xl")!);
    expect(big.byte_order).toEqual({ xl: "big", libxl: "big", libxc: "big" });
    expect(big.faults.map(({ code }) => code)).toEqual(Array(3).fill("STREAM_BIG_ENDIAN"));
  });

  test("version 2, libxc alone", async () => {
    const inspected = await inspect(goldenStreams().get("hvm-v2.libxc")!);
    expect(inspected).toMatchObject({ format: "libxc", static_data_end: "inferred" });
    expect(inspected).not.toHaveProperty("xl_header_bytes");
    expect(inspected).not.toHaveProperty("libxl");
    expect(inspected.records[0]).toMatchObject({ name: "PAGE_DATA" });
  });

  test("keeps so many records and counts the rest", async () => {
    const bytes = hvm(...Array.from({ length: 20 }, () => parts.tscInfo()));
    const inspected = await inspect(bytes, { recordsMax: 5 });
    expect(inspected.records).toHaveLength(5);
    expect(inspected.details).toHaveLength(5);
    expect(inspected.records_left_out).toBe(17);
  });

  test("leaves no temporary file, whatever happens", async () => {
    const before = await ours();
    const options = { signal: AbortSignal.abort(new Error("enough")) };
    await expect(inspect(goldenStreams().get("hvm-v3.xl")!, options)).rejects.toThrow("enough");
    await inspect(goldenStreams().get("hvm-v3.xl")!);
    expect(await ours()).toEqual(before);
  });

  async function ours(): Promise<readonly string[]> {
    return (await readdir(tmpdir())).filter((name) => name.startsWith("xenferry-pages-"));
  }
});

describe("FrameTable", () => {
  test("agrees with a Map", () => {
    const table = new FrameTable();
    const expected = new Map<number, number>();
    const random = seededRandom(3);
    for (let turn = 0; turn < 30_000; turn++) {
      const pfn = turn % 2 === 0 ? random.below(5_000) : random.below(2 ** 32);
      const slot = table.touch(pfn);
      expected.set(pfn, (expected.get(pfn) ?? 0) + 1);
      if (table.countAt(slot) !== expected.get(pfn)) {
        expect.fail(`count of ${pfn}`);
      }
      table.setPlaceAt(slot, pfn % 3 === 0 ? "zero" : pfn * 4096);
    }
    expect(table.frameCount).toBe(expected.size);
    const sorted = [...expected.keys()].sort((a, b) => a - b);
    expect([...table.sortedPfns()]).toEqual(sorted);
    expect(
      sorted.every((pfn) => table.placeOf(pfn) === (pfn % 3 === 0 ? "zero" : pfn * 4096)),
    ).toBe(true);
    const absent = sorted.findIndex((pfn, index) => sorted[index + 1] !== pfn + 1);
    expect(table.placeOf(sorted[absent]! + 1)).toBe("none");
  });
});

describe("PageStore", () => {
  test("keeps pages in place beyond its buffer", async () => {
    const store = await PageStore.create();
    const places: number[] = [];
    for (let pfn = 0; pfn < 600; pfn++) {
      places.push(await store.put(page(pfn, 1), undefined));
    }
    expect(await store.put(page(7, 2), places[7])).toBe(places[7]);
    expect(await store.put(page(599, 3), places[599])).toBe(places[599]);
    const out = new Uint8Array(4096);
    for (const [pfn, fill] of [
      [0, 1],
      [7, 2],
      [300, 1],
      [599, 3],
    ] as const) {
      await store.readAt(places[pfn]!, out);
      expect(Buffer.compare(out, page(pfn, fill))).toBe(0);
    }
    await expect(store.readAt(600 * 4096, out)).rejects.toMatchObject({ code: "TRANSPORT_LOST" });
    await store.close();
  });
});
