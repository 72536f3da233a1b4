import { describe, expect, test } from "vitest";
import { type ExportOptions, exportMemory } from "../../src/migration/export/export.ts";
import { Parts, page, T } from "../golden/parts.ts";
import { join, octetsIn, text } from "../support/bytes.ts";
import { ChunkedImage } from "../support/chunked-image.ts";
import { memoryAt, readCore } from "../support/elf.ts";
import { fixture } from "../support/fixtures.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import { CollectingSink } from "../support/legacy-run.ts";
import { sourceOf } from "../support/sources.ts";

const parts = new Parts();
const { u8, u32, u64 } = octetsIn("little");

async function exported(image: Uint8Array, options: Partial<ExportOptions> = {}) {
  const outcomes = await Promise.all(
    [sourceOf(image, () => 1000), new ChunkedImage([image])].map(async (source) => {
      const sink = new CollectingSink();
      const summary = await exportMemory(source, {
        pageDataHead: plainHeadCodec,
        format: "elf",
        openSink: async () => sink,
        ...options,
      });
      return { summary, bytes: new Uint8Array(Buffer.concat(sink.chunks)) };
    }),
  );
  const [spooled, reread] = outcomes as [(typeof outcomes)[0], (typeof outcomes)[0]];
  expect(reread.summary).toEqual(spooled.summary);
  expect(Buffer.compare(reread.bytes, spooled.bytes)).toBe(0);
  return spooled;
}

function hvm(...records: readonly Uint8Array[]): Uint8Array {
  return join(
    parts.libxcHeaders(3, 2),
    parts.signal(16),
    ...records,
    parts.record(9, fixture("hvm-context")),
    parts.signal(0),
  );
}

/** Frames of all kinds, one above 4 GiB; what counts of each is what came last. */
const MIXED = hvm(
  parts.pageData([1, T.NOTAB, 0x11], [2, T.NOTAB, 0x12], [3, T.NOTAB], [7, T.BROKEN]),
  parts.pageData([0x10_0001, T.NOTAB, 0x41], [9, T.XTAB], [10, T.NOTAB, 0x1a], [4, T.XALLOC]),
  parts.pageData([2, T.NOTAB, 0x22], [10, T.XTAB], [1, T.XALLOC], [6, T.XALLOC]),
);
const FRAMES = new Map([
  [1, page(1, 0x11)],
  [2, page(2, 0x22)],
  [3, new Uint8Array(4096)],
  [4, new Uint8Array(4096)],
  [6, new Uint8Array(4096)],
  [0x10_0001, page(0x10_0001, 0x41)],
]);

describe("ELF", () => {
  test("segments of physical memory, each frame as it was last", async () => {
    const { bytes, summary } = await exported(MIXED);
    const core = readCore(bytes);
    expect(core).toMatchObject({ bits: 64, type: 4, machine: 62, sections: [] });
    const loads = core.segments.filter(({ type }) => type === 1);
    expect(loads.map(({ offset: _, ...load }) => load)).toEqual(
      [
        [0x1000n, 4n],
        [0x6000n, 1n],
        [0x1_0000_1000n, 1n],
      ].map(([address, frames]) => ({
        type: 1,
        flags: 7,
        virtual: address,
        physical: address,
        fileBytes: frames! * 4096n,
        memoryBytes: frames! * 4096n,
        align: 0n,
      })),
    );
    expect(loads.every(({ offset }) => offset % 4096 === 0)).toBe(true);
    for (const [pfn, content] of FRAMES) {
      expect(memoryAt(core, bytes, BigInt(pfn) * 4096n, 4096)).toEqual(content);
    }
    expect(summary).toEqual({
      guest: "hvm",
      vcpus: 2,
      frames: 6,
      zeroFrames: 3,
      ranges: 3,
      bytes: 7 * 4096,
      holeBytes: 0,
      elf: { elfClass: 64, segments: 3, hasVmcoreinfo: false },
    });
  });

  test("registers are those that Xen's own tool tells of", async () => {
    const { notes } = readCore((await exported(MIXED)).bytes);
    expect(notes.map(({ owner, type, content }) => [owner, type, content.length])).toEqual([
      ["CORE", 1, 336],
      ["CORE", 2, 512],
      ["CORE", 1, 336],
      ["CORE", 2, 512],
    ]);
    const words = (index: number) => {
      const { content } = notes[index]!;
      const view = new DataView(content.buffer, content.byteOffset + 112, 216);
      return Array.from({ length: 27 }, (_, at) => view.getBigUint64(at * 8, true));
    };
    expect(words(0)).toEqual([
      ...[0xffffc9000001fd01n, 2n, 0xffffffff8160b1c8n, 0n],
      ...[0xffffc900000f7ea4n, 0n, 0x34n, 0xffff8880003373d8n, 2n, 0x784n],
      ...[0n, 0n, 0n, 0xffffc9000006fe6cn, 2n, 0xffffffffffffffffn],
      ...[0xffffffff811c49f3n, 0x10n, 2n, 0xffffc9000006fe60n, 0x18n],
      ...[0n, 0xffff888002a00000n, 0n, 0n, 0n, 0n],
    ]);
    expect(words(2)[16]).toBe(0xffffffff8108bcf9n);
    const pids = [0, 2].map((at) => Buffer.from(notes[at]!.content).readUInt32LE(32));
    expect(pids).toEqual([1, 2]);
    expect([...notes[1]!.content.subarray(0, 2)]).toEqual([0x7f, 0x03]);
  });

  test("what a Linux kernel says of itself", async () => {
    const info = "OSRELEASE=6.1.0\nBUILD-ID=ab\nPAGESIZE=4096\nSYMBOL(init_uts_ns)=ffff\n";
    const filled = (start: string) => {
      const content = new Uint8Array(4096);
      content.set(text(start));
      return content;
    };
    const image = hvm(
      parts.pageData(
        [1, T.NOTAB, filled(info)],
        [2, T.NOTAB, filled("OSRELEASE=\0nothing\n")],
        [3, T.NOTAB, filled(`${info}SIZE(page)=64\n`)],
      ),
      parts.pageData([3, T.NOTAB, 0x33]),
    );
    const { bytes, summary } = await exported(image);
    expect(summary.elf?.hasVmcoreinfo).toBe(true);
    const note = readCore(bytes).notes.at(-1);
    expect(note).toMatchObject({ owner: "VMCOREINFO", type: 0 });
    expect(Buffer.from(note!.content).toString()).toBe(info);
  });

  test("a 32-bit PV guest is of class 32, its registers have 32 bits", async () => {
    const context = new Uint8Array(2800);
    context.set(u32(1, 2, 3, 4, 5, 6, 7), 516);
    context.set(u32(0xc010_0000), 516 + 32);
    context.set([0x19, 0xe0], 516 + 36);
    const image = join(
      parts.libxcHeaders(3, 1),
      parts.pvInfo(4),
      parts.signal(16),
      parts.pageData([5, T.NOTAB, 0x15]),
      parts.record(4, u32(3, 0), context),
      parts.signal(0),
    );
    const core = readCore((await exported(image)).bytes);
    expect(core).toMatchObject({ bits: 32, machine: 3, type: 4 });
    expect(core.segments.at(-1)).toMatchObject({ virtual: 0x5000n, memoryBytes: 0x1000n });
    const { content } = core.notes[0]!;
    expect([content.length, Buffer.from(content).readUInt32LE(24)]).toEqual([144, 4]);
    const words = Array.from({ length: 17 }, (_, at) =>
      Buffer.from(content).readUInt32LE(72 + at * 4),
    );
    expect(words.slice(0, 7)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(words.slice(12, 14)).toEqual([0xc010_0000, 0xe019]);
    expect(core.notes[1]).toMatchObject({ owner: "LINUX", type: 0x46e62b7f });
  });

  test("no vCPU is no thread, and no frame no segment", async () => {
    const empty = join(parts.libxcHeaders(3, 2), parts.signal(16), parts.signal(0));
    const core = readCore((await exported(empty)).bytes);
    expect([core.notes, core.segments.length]).toEqual([[], 1]);
  });

  test("more segments than the header has room for", async () => {
    const count = 65_600;
    const pfns = Array.from({ length: count }, (_, index) => index * 2);
    const records = [];
    for (let first = 0; first < count; first += 1024) {
      const entries = pfns.slice(first, first + 1024).map((pfn) => [pfn, T.XALLOC] as const);
      records.push(parts.pageData(...entries));
    }
    const { bytes } = await exported(hvm(...records));
    const core = readCore(bytes);
    expect(core.segments).toHaveLength(count + 1);
    expect(core.sections).toHaveLength(1);
    expect(core.segments.at(-1)?.physical).toBe(BigInt((count - 1) * 2 * 4096));
  }, 120_000);
});

describe("ELF by virtual addresses", () => {
  const table = (...entries: readonly (readonly [index: number, entry: bigint])[]) => {
    const content = new Uint8Array(4096);
    for (const [index, entry] of entries) {
      content.set(u64(entry), index * 8);
    }
    return content;
  };
  const PS = 0x80n;
  /** The first vCPU's tables start at frame 0x180a, as Xen's tool told. */
  const image = hvm(
    parts.pageData(
      [0x10, T.NOTAB, 0x10],
      [0x11, T.NOTAB, 0x11],
      [0x20, T.NOTAB, 0x20],
      [0x200, T.NOTAB, 0x77],
      [0x201, T.NOTAB, 0x78],
      [0x3ff, T.XALLOC],
      [0x180a, T.NOTAB, table([0, 0x180b067n], [511, 0x180b067n], [5, 0x7777000n | 1n])],
      [0x180b, T.NOTAB, table([0, 0x180c067n])],
      [0x180c, T.NOTAB, table([0, 0x180d067n], [3, 0x20_0000n | PS | 3n])],
      [0x180d, T.NOTAB, table([4, 0x10067n], [5, 0x11067n], [6, 0x20067n], [7, 0x10066n])],
    ),
  );

  test("what the tables map, sparse large pages and shared tables included", async () => {
    const { bytes, summary } = await exported(image, { virtual: { root: { vcpu: 0 } } });
    const core = readCore(bytes);
    const loads = core.segments
      .filter(({ type }) => type === 1)
      .map(({ virtual, physical, memoryBytes }) => [virtual, physical, memoryBytes / 4096n]);
    const low = [
      [0x4000n, 0x10000n, 2n],
      [0x6000n, 0x20000n, 1n],
      [0x60_0000n, 0x20_0000n, 2n],
      [0x7f_f000n, 0x3f_f000n, 1n],
    ] as const;
    const high = low.map(([virtual, ...rest]) => [0xffff_ff80_0000_0000n + virtual, ...rest]);
    expect(loads).toEqual([...low, ...high]);
    expect(memoryAt(core, bytes, 0xffff_ff80_0060_1000n, 4096)).toEqual(page(0x201, 0x78));
    expect(memoryAt(core, bytes, 0x5000n, 4096)).toEqual(page(0x11, 0x11));
    expect(summary.elf).toEqual({
      elfClass: 64,
      segments: 8,
      hasVmcoreinfo: false,
      cr3: "0x180a000",
      paging: "4-level",
      mappedFrames: 12,
    });
    const same = await exported(image, { virtual: { root: { cr3: 0x180a_000n } } });
    expect(same).toEqual(await exported(image, { virtual: { root: { vcpu: 0 } } }));
  });

  test("tables that map themselves for ever are given up", async () => {
    const self = Array.from({ length: 512 }, (_, index) => [index, 0x180a067n] as const);
    const looped = hvm(parts.pageData([0x180a, T.NOTAB, table(...self)]));
    await expect(exported(looped, { virtual: { root: { vcpu: 0 } } })).rejects.toMatchObject({
      code: "GUEST_PAGE_TABLES",
    });
  }, 120_000);

  test.each([
    ["no such vCPU", { root: { vcpu: 7 } }, "USAGE_ARGUMENT"],
    ["no memory at the top table", { root: { cr3: 0x5000_0000n } }, "GUEST_PAGE_TABLES"],
    ["no paging", { root: { vcpu: 0 }, mode: "none" as const }, "USAGE_ARGUMENT"],
  ])("%s is an error", async (_, virtual, code) => {
    await expect(exported(image, { virtual })).rejects.toMatchObject({ code });
  });
});

describe("Xen's dump-core", () => {
  test("an HVM guest: notes, contexts, pages, their numbers", async () => {
    const { bytes } = await exported(MIXED, { format: "dump-core" });
    const core = readCore(bytes);
    expect(core).toMatchObject({ bits: 64, type: 4, machine: 62, segments: [] });
    const sections = new Map(core.sections.map((section) => [section.name, section]));
    expect([...sections.keys()]).toEqual([
      "",
      ".shstrtab",
      ".note.Xen",
      ".xen_prstatus",
      ".xen_pages",
      ".xen_pfn",
    ]);
    expect(core.notes.map(({ owner, type }) => [owner, type])).toEqual([
      ["Xen", 0x2000000],
      ["Xen", 0x2000001],
      ["Xen", 0x2000002],
      ["Xen", 0x2000003],
    ]);
    expect(core.notes[0]!.content).toHaveLength(0);
    expect(core.notes[1]!.content).toEqual(u64(0xf00f_ebee, 2, 6, 4096));
    const version = core.notes[2]!.content;
    expect([version.length, version[0], version[8]]).toEqual([1280, 4, 17]);
    expect(version.subarray(1272)).toEqual(u64(4096));
    expect(core.notes[3]!.content).toEqual(u64(1));
    expect(sections.get(".xen_pfn")).toMatchObject({
      type: 1,
      entryBytes: 8,
      content: u64(...FRAMES.keys()),
    });
    expect(sections.get(".xen_pages")!.content).toEqual(join(...FRAMES.values()));
    expect(sections.get(".xen_pages")!.offset % 4096).toBe(0);
    const contexts = sections.get(".xen_prstatus")!;
    expect([contexts.entryBytes, contexts.content.length]).toEqual([5168, 2 * 5168]);
    const word = (at: number) => Buffer.from(contexts.content).readBigUInt64LE(at);
    // flags, r15, rip, cs, rsp, cr0, cr3, gs_base_kernel
    expect([512, 520, 648, 656, 672, 4984, 5008, 5152].map(word)).toEqual([
      ...[0x21n, 0xffffc9000001fd01n, 0xffffffff811c49f3n, 0x10n],
      ...[0xffffc9000006fe60n, 0x80050033n, 0x180a000n, 0xffff888002a00000n],
    ]);
  });

  test.each([
    [8, 62, 1272],
    [4, 3, 1268],
  ] as const)("a PV guest with words of %d octets", async (width, machine, pageBytesAt) => {
    const image = join(
      parts.libxcHeaders(3, 1),
      parts.pvInfo(width),
      parts.signal(16),
      parts.pageData([5, T.NOTAB, 0x15], [6, T.L1, 0x16], [9, T.XALLOC]),
      parts.sharedInfo(),
      parts.vcpuBasic(width, 0, { startInfo: 5, topTable: 6 }),
      parts.signal(0),
    );
    const core = readCore((await exported(image, { format: "dump-core" })).bytes);
    expect(core).toMatchObject({ bits: 64, machine });
    const contentOf = (name: string) => core.sections.find((one) => one.name === name)!.content;
    expect(contentOf(".xen_p2m")).toEqual(u64(5, 5, 6, 6, 9, 9));
    expect(contentOf(".xen_shared_info")).toEqual(page(7, 0x51));
    expect(contentOf(".xen_pages")).toEqual(
      join(page(5, 0x15), page(6, 0x16), new Uint8Array(4096)),
    );
    expect(core.notes[1]!.content).toEqual(u64(0xf00f_ebed, 1, 3, 4096));
    expect(core.notes[2]!.content.subarray(pageBytesAt, pageBytesAt + 8)).toEqual(u64(4096));
    expect(contentOf(".xen_prstatus")).toHaveLength(5168);
  });
});

test("LiME: a header before each range, nothing between them", async () => {
  const { bytes } = await exported(MIXED, { format: "lime" });
  const header = (first: number, last: number) =>
    join(text("EMiL"), u32(1), u64(first, last), u8(0, 0, 0, 0, 0, 0, 0, 0));
  const pages = [...FRAMES.values()];
  expect(bytes).toEqual(
    join(
      header(0x1000, 0x4fff),
      ...pages.slice(0, 4),
      header(0x6000, 0x6fff),
      pages[4]!,
      header(0x1_0000_1000, 0x1_0000_1fff),
      pages[5]!,
    ),
  );
});

test("raw: each page at its place", async () => {
  const image = hvm(parts.pageData([1, T.NOTAB, 0x11], [4, T.NOTAB, 0x14], [6, T.XALLOC]));
  const { bytes } = await exported(image, { format: "raw" });
  const zeros = (count: number) => new Uint8Array(count * 4096);
  expect(bytes).toEqual(join(zeros(1), page(1, 0x11), zeros(2), page(4, 0x14), zeros(2)));
});

test.each([
  ["cut", MIXED.subarray(0, MIXED.length - 9), "STREAM_TRUNCATED"],
  ["damaged page data", hvm(parts.record(1, u32(9, 0))), "PAGE_DATA_LENGTH"],
  ["no image", new Uint8Array(100), "STREAM_NOT_AN_IMAGE"],
  [
    "damaged registers",
    join(MIXED.subarray(0, -8), parts.record(9, u8(1)), parts.signal(0)),
    "RECORD_LENGTH",
  ],
])("%s: an error, and no output is opened", async (_, image, code) => {
  let opened = 0;
  const openSink = async () => {
    opened++;
    return new CollectingSink();
  };
  await expect(exported(image, { openSink })).rejects.toMatchObject({ code });
  expect(opened).toBe(0);
});
