import { describe, expect, test } from "vitest";
import { verifyStream } from "../../src/migration/verify-stream.ts";
import { type Entry, Parts, T } from "../golden/parts.ts";
import { join, octetsIn, text } from "../support/bytes.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import { type Converted, convertBytes } from "../support/legacy-run.ts";
import { bareXtab, LegacyParts, type VcpuParts } from "../support/legacy-writer.ts";
import { sourceOf } from "../support/sources.ts";

const WIDTHS = [32, 64] as const;
const v2 = new Parts();
const o = octetsIn("little");

const PAGES: readonly Entry[] = [
  [3, T.NOTAB, 0x33],
  [4, T.XALLOC],
  [6, T.BROKEN],
  [9, T.NOTAB, 0x39],
];
const CONTEXT = v2.hvmContextBody(45);
const STATE = text("QEVM and more");

/** What registers and tables of frames are made up to say does not fit the few pages there are. */
const MADE_UP: readonly string[] = ["RECORD_FRAME", "RECORD_VALUE"];

/** Every stream that was converted, whatever of: accepted, and the same in tiny chunks. */
async function convertSound(bytes: Uint8Array, ...rest: Tail): Promise<Converted> {
  const converted = await convertBytes(bytes, ...rest);
  const verified = await verifyStream(sourceOf(converted.bytes), { pageDataHead: plainHeadCodec });
  const faults = verified.findings.filter(({ severity }) => severity !== "suspicious");
  expect(faults.filter(({ code }) => !MADE_UP.includes(code))).toEqual([]);
  const again = await convertBytes(bytes, rest[0], 3);
  expect(again.bytes).toEqual(converted.bytes);
  return converted;
}

type Tail = readonly [Parameters<typeof convertBytes>[1]?];

/** Headers of a converted stream in libxl's format, up to where static data would start. */
function libxlStart(guestType: 1 | 2): Uint8Array {
  return join(v2.libxlHeader(2), v2.signal(1), v2.libxcHeaders(3, guestType, [0, 1]));
}

const TAIL_PARAMS = v2.hvmParams([5, 21], [6, 22], [1, 23]);

describe.each(WIDTHS)("HVM, saved by a %i-bit toolstack", (width) => {
  const old = new LegacyParts(width);
  const emulator = old.emulator("DeviceModelRecord0002", STATE);

  test("of 4.5, with all that it has", async () => {
    const legacy = join(
      old.p2mSize(16),
      old.batch([0, T.NOTAB, 0x30], bareXtab, ...PAGES, bareXtab, [12, T.XTAB]),
      old.tsc(),
      old.batch([3, T.NOTAB, 0x43]),
      old.vcpuInfo(1, 3n),
      old.param(-14, 0xfc00a020),
      old.param(-3, 0xfeffe000),
      old.param(-15, 15),
      old.param(-16, 16),
      old.param(-17, 17),
      old.param(-4, 0xfc00d680),
      old.param(-8, 0xfefff),
      old.param(-10, 1),
      old.param(-11, 1),
      old.param(-19, 0xfeff0),
      old.param(-20, 8),
      old.param(-21, 4),
      old.toolstack(
        { phys: 0xf0000000, start: 0xf8000000, size: 0x800000, name: "vga.vram" },
        { phys: 0x1_0000_0000, start: 1, size: 2 },
      ),
      old.chunk(-9),
      old.end(),
      old.hvmTail(CONTEXT),
      emulator,
    );
    const { bytes, outcome } = await convertSound(legacy);
    const expected = join(
      libxlStart(2),
      v2.signal(0x10),
      v2.pageData([0, T.NOTAB, 0x30], ...PAGES, [12, T.XTAB]),
      v2.tscInfo(),
      v2.pageData([3, T.NOTAB, 0x43]),
      v2.hvmParams(
        [34, 0xfc00a020],
        [12, 0xfeffe000],
        [27, 15],
        [28, 16],
        [29, 17],
        [15, 0xfc00d680],
        [17, 0xfefff],
        [19, 1],
        [9, 1],
        [32, 0xfeff0],
        [33, 8],
        [36, 4],
      ),
      TAIL_PARAMS,
      v2.hvmContext(45),
      v2.signal(0),
      v2.xenstoreData(
        0,
        ...["physmap/f0000000/start_addr", "f8000000", "physmap/f0000000/size", "800000"],
        ...["physmap/f0000000/name", "vga.vram"],
        ...["physmap/100000000/start_addr", "1", "physmap/100000000/size", "2"],
      ),
      v2.record(3, o.u32(0, 0), STATE),
      v2.signal(0),
    );
    expect(bytes).toEqual(expected);
    expect(outcome).toMatchObject({
      version: 1,
      bytesRead: legacy.length,
      bytesWritten: expected.length,
      pageEntries: 7,
      legacy: { width, guest: "hvm", pfnCount: 16, checkpoints: 1, isFromXend: false },
    });
    expect(outcome.legacy?.discarded).toBeUndefined();
  });

  /** What releases differ in behind the pages; what is made of it is the same. */
  const start = join(old.p2mSize(16), old.batch(...PAGES));
  const plain = join(old.end(), old.hvmTail(CONTEXT));
  test.each([
    ["3.4", join(start, old.vcpuInfo(0, 1n), plain), "QemuDeviceModelRecord"],
    ["4.0", join(start, old.vcpuInfo(0, 1n), plain), "QemuDeviceModelRecord"],
    ["4.0 under Remus", join(start, old.vcpuInfo(0, 1n), plain), "RemusDeviceModelState"],
    ["4.1", join(start, old.vcpuInfo(0, 1n), old.chunk(-9), plain), "DeviceModelRecord0002"],
    ["none that names vCPUs", join(start, old.chunk(-9), plain), "DeviceModelRecord0002"],
    [
      "4.2 to 4.4",
      join(start, old.vcpuInfo(0, 1n), old.toolstack(), old.chunk(-9), plain),
      "DeviceModelRecord0002",
    ],
    [
      "4.5 with copies to compare",
      join(start, old.chunk(-1), old.vcpuInfo(0, 1n), old.toolstack(), old.chunk(-9), plain),
      "DeviceModelRecord0002",
    ],
  ])("of %s", async (_, stream, signature) => {
    const { bytes } = await convertSound(join(stream, old.emulator(signature, STATE)));
    expect(bytes).toEqual(
      join(
        libxlStart(2),
        v2.signal(0x10),
        v2.pageData(...PAGES),
        TAIL_PARAMS,
        v2.hvmContext(45),
        v2.signal(0),
        v2.record(3, o.u32(0, 0), STATE),
        v2.signal(0),
      ),
    );
  });

  const minimal = join(start, old.chunk(-9), plain);
  const libxc = join(
    v2.libxcHeaders(3, 2, [0, 1]),
    v2.signal(0x10),
    v2.pageData(...PAGES),
    TAIL_PARAMS,
    v2.hvmContext(45),
    v2.signal(0),
  );

  test.each(["DeviceModelRecord0002", "RemusDeviceModelState", "QemuDeviceModelRecord"])(
    "to libxc's format: the state behind %s is copied, or left where it is",
    async (signature) => {
      const record = old.emulator(signature, STATE);
      const legacy = join(minimal, record);
      const copied = await convertSound(legacy, { format: "libxc" });
      expect(copied.bytes).toEqual(join(libxc, record));
      const left = await convertSound(legacy, { format: "libxc", emulator: "leave" });
      expect(left.bytes).toEqual(libxc);
      expect(left.outcome.bytesRead).toBe(minimal.length);
    },
  );

  test("batches of nothing but frames without memory are left out", async () => {
    const nothing = old.batch(...Array.from({ length: 40 }, () => bareXtab));
    const legacy = join(old.p2mSize(16), nothing, old.batch(...PAGES), nothing, old.chunk(-9));
    const { bytes } = await convertSound(join(legacy, plain), {
      format: "libxc",
      emulator: "leave",
    });
    expect(bytes).toEqual(libxc);
  });

  test("frames without memory that carry machine frames, as up to 4.0, are left out", async () => {
    const strays: readonly Entry[] = [...PAGES, [0x12345, T.XTAB], [3, T.XTAB]];
    const legacy = join(old.p2mSize(16), old.batch(...strays), old.chunk(-9), plain);
    const { bytes } = await convertSound(legacy, { format: "libxc", emulator: "leave" });
    expect(bytes).toEqual(libxc);
  });

  test.each([
    ["text, of 4.2 to 4.4", 0, 2],
    ["JSON, of 4.5", 1, 3],
  ] as const)("xl's header with %s is kept", async (_, flags, flagsAfter) => {
    const config = flags === 1 ? '{"c_info":{"type":"hvm"}}' : 'name = "web"\n';
    const header = old.xlHeader(config, flags);
    const legacy = join(header, minimal, emulator);
    const { bytes } = await convertSound(legacy);
    const expected = header.slice();
    expected[36] = flagsAfter;
    expect(bytes.subarray(0, header.length)).toEqual(expected);
    expect(bytes.subarray(header.length, header.length + 16)).toEqual(v2.libxlHeader(2));
    const inLibxc = await convertBytes(legacy, { format: "libxc", emulator: "leave" });
    expect(inLibxc.bytes).toEqual(join(header, libxc));
  });

  test("what xend wrote before the stream is left out", async () => {
    const legacy = join(old.xendHeader("(domain (name web))"), minimal, emulator);
    const { bytes, outcome } = await convertSound(legacy, { format: "libxc" });
    expect(bytes).toEqual(join(libxc, emulator));
    expect(outcome.legacy?.isFromXend).toBe(true);
  });

  test("nothing behind the last checkpoint is read", async () => {
    const legacy = join(minimal, emulator);
    const { outcome } = await convertBytes(join(legacy, text("permission")));
    expect(outcome.bytesRead).toBe(legacy.length);
  });
});

const GUESTS = [
  { width: 32, guestWidth: 4 },
  { width: 64, guestWidth: 4 },
  { width: 32, guestWidth: 8 },
  { width: 64, guestWidth: 8 },
] as const;

describe.each(GUESTS)("PV of $guestWidth octets, saved by a $width-bit toolstack", (kind) => {
  const { width, guestWidth } = kind;
  const old = new LegacyParts(width);
  const pages: readonly Entry[] = [
    [0, T.NOTAB, 0x11],
    [1, T.L1, 0x22],
    [2, T.L2_PIN, 0x44],
    [5, T.NOTAB, 0x55],
  ];
  const vcpuBytes = guestWidth === 8 ? 0x1430 : 0xaf0;

  /** The stream of a guest with 1,500 frames, so two or three p2m frames. */
  function stream(xcnt: number | undefined, ...vcpus: readonly VcpuParts[]): Uint8Array {
    const frames = guestWidth === 8 ? [100, 101, 102] : [100, 101];
    return join(
      old.p2mSize(1_500),
      old.extendedInfo(guestWidth, xcnt),
      old.ulong(...frames),
      old.tsc(),
      old.batch(...pages, bareXtab),
      // vCPU 1 of 0 to 2 is offline.
      old.vcpuInfo(2, 5n),
      old.toolstack({ phys: 1, start: 2, size: 3, name: "never of a PV guest" }),
      old.chunk(-9),
      old.end(),
      old.pvTail(guestWidth, [7, 8, 9], ...vcpus),
    );
  }

  function expected(format: "libxl" | "libxc", ...vcpuRecords: readonly Uint8Array[]): Uint8Array {
    const frames = guestWidth === 8 ? [100, 101, 102] : [100, 101];
    const libxc = join(
      v2.libxcHeaders(3, 1, [0, 1]),
      v2.pvInfo(guestWidth),
      v2.signal(0x10),
      v2.p2mFrames(1_499, ...frames),
      v2.tscInfo(),
      v2.pageData(...pages),
      ...vcpuRecords,
      v2.sharedInfo(),
      v2.signal(0),
    );
    return format === "libxc" ? libxc : join(v2.libxlHeader(2), v2.signal(1), libxc, v2.signal(0));
  }

  const context = (id: number, bytes: number, fill: number) =>
    join(o.u32(id, 0), new Uint8Array(bytes).fill(fill));

  test.each(["libxl", "libxc"] as const)("without XSAVE, to %s", async (format) => {
    const legacy = stream(
      undefined,
      { basic: 0xb0, extended: 0xe0 },
      { basic: 0xb2, extended: 0xe2 },
    );
    const { bytes, outcome } = await convertSound(legacy, { format });
    const records = [0, 2].flatMap((id) => [
      v2.record(4, context(id, vcpuBytes, 0xb0 + id)),
      v2.record(5, context(id, 128, 0xe0 + id)),
    ]);
    expect(bytes).toEqual(expected(format, ...records));
    expect(outcome.legacy).toMatchObject({ width, guest: "pv", pfnCount: 1_500 });
  });

  test("with XSAVE areas of different sizes", async () => {
    const legacy = stream(
      848,
      { basic: 0xb0, extended: 0xe0, xsave: [0xa0, 832] },
      { basic: 0xb2, extended: 0xe2, xsave: [0xa2, 589] },
    );
    const { bytes } = await convertSound(legacy, { format: "libxc" });
    const records = [0, 2].flatMap((id) => [
      v2.record(4, context(id, vcpuBytes, 0xb0 + id)),
      v2.record(5, context(id, 128, 0xe0 + id)),
      v2.record(6, context(id, id === 0 ? 832 : 589, 0xa0 + id)),
    ]);
    expect(bytes).toEqual(expected("libxc", ...records));
  });

  test("blocks that no release wrote are passed over, as by Xen", async () => {
    const blocks = old.extendedBlocks(
      old.block("new!", new Uint8Array(12)),
      old.block("vcpu", new Uint8Array(vcpuBytes)),
    );
    const legacy = join(
      old.p2mSize(16),
      blocks,
      old.ulong(3),
      old.batch(...pages),
      old.chunk(-9),
      old.end(),
      old.pvTail(guestWidth, [], { basic: 0xb0 }),
    );
    const { bytes } = await convertSound(legacy, { format: "libxc" });
    expect(bytes).toEqual(
      join(
        v2.libxcHeaders(3, 1, [0, 1]),
        v2.pvInfo(guestWidth),
        v2.signal(0x10),
        v2.p2mFrames(15, 3),
        v2.pageData(...pages),
        v2.record(4, context(0, vcpuBytes, 0xb0)),
        v2.sharedInfo(),
        v2.signal(0),
      ),
    );
  });
});

test("vCPUs beyond 64 keep their numbers; a second set replaces the first", async () => {
  const old = new LegacyParts(64);
  const legacy = join(
    old.p2mSize(16),
    old.extendedInfo(8),
    old.ulong(3),
    old.batch([0, T.NOTAB, 0x11]),
    old.vcpuInfo(3, 15n),
    old.vcpuInfo(66, 1n, 4n),
    old.chunk(-9),
    old.end(),
    old.pvTail(8, [], { basic: 0xb0, extended: 1 }, { basic: 0xb1, extended: 2 }),
  );
  const { bytes } = await convertSound(legacy, { format: "libxc" });
  const vcpus = [0, 66].flatMap((id, at) => [
    v2.record(4, o.u32(id, 0), new Uint8Array(0x1430).fill(0xb0 + at)),
    v2.record(5, o.u32(id, 0), new Uint8Array(128).fill(1 + at)),
  ]);
  const tail = join(...vcpus, v2.sharedInfo(), v2.signal(0));
  expect(bytes.subarray(-tail.length)).toEqual(tail);
});

describe("libxc's version 2", () => {
  const pages = v2.pageData([1, T.NOTAB, 0x21]);
  const state = [v2.tscInfo(), v2.hvmParams([1, 2]), v2.hvmContext(), v2.signal(0)];

  test("becomes version 3: the end of static data is said", async () => {
    const before = join(v2.libxlHeader(), v2.signal(1), v2.libxcHeaders(2, 2));
    const rest = join(pages, ...state, v2.emulatorContext(2), v2.signal(0));
    const { bytes, outcome } = await convertSound(join(before, rest));
    const after = join(v2.libxlHeader(), v2.signal(1), v2.libxcHeaders(3, 2), v2.signal(0x10));
    expect(bytes).toEqual(join(after, rest));
    expect(outcome).toMatchObject({ version: 2, pageEntries: 1 });
    expect(outcome.legacy).toBeUndefined();
  });

  test("of a stream without memory, too", async () => {
    const headers = (version: number) => v2.libxcHeaders(version, 2);
    const { bytes } = await convertBytes(join(headers(2), ...state));
    const expected = join(headers(3), ...state.slice(0, -1), v2.signal(0x10), v2.signal(0));
    expect(bytes).toEqual(expected);
  });

  test("version 3 is copied", async () => {
    const stream = join(v2.libxcHeaders(3, 2), v2.signal(0x10), pages, ...state);
    const { bytes, outcome } = await convertSound(stream);
    expect(bytes).toEqual(stream);
    expect(outcome.version).toBe(3);
  });
});
