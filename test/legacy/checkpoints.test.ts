import { readdirSync } from "node:fs";
import os from "node:os";
import { describe, expect, test } from "vitest";
import { type Entry, Parts, page, T } from "../golden/parts.ts";
import { join, octetsIn, text } from "../support/bytes.ts";
import { convertBytes } from "../support/legacy-run.ts";
import { LegacyParts } from "../support/legacy-writer.ts";

const old = new LegacyParts(64);
const v2 = new Parts();
const o = octetsIn("little");

/** A checkpoint of an HVM guest, whose state says which it is. */
function checkpoint(number: number, body: Uint8Array, ...more: readonly Uint8Array[]): Uint8Array {
  return join(
    body,
    old.vcpuInfo(0, 1n),
    old.param(-3, number),
    old.toolstack({ phys: number, start: 1, size: 2, name: `bar${number}` }),
    ...more,
    old.end(),
    old.hvmTail(Uint8Array.of(number)),
    old.emulator("DeviceModelRecord0002", text(`state ${number}`)),
  );
}

/** What is made of a stream whose last checkpoint has that number: these pages, that state. */
function expected(number: number, ...pageData: readonly Uint8Array[]): Uint8Array {
  return join(
    v2.libxlHeader(2),
    v2.signal(1),
    v2.libxcHeaders(3, 2, [0, 1]),
    v2.signal(0x10),
    ...pageData,
    v2.hvmParams([12, number]),
    v2.hvmParams([5, 21], [6, 22], [1, 23]),
    v2.record(9, Uint8Array.of(number)),
    v2.signal(0),
    v2.xenstoreData(
      0,
      ...[`physmap/${number}/start_addr`, "1", `physmap/${number}/size`, "2"],
      ...[`physmap/${number}/name`, `bar${number}`],
    ),
    v2.record(3, o.u32(0, 0), text(`state ${number}`)),
    v2.signal(0),
  );
}

const START = old.p2mSize(16);
const ALL: readonly Entry[] = [
  [1, T.NOTAB, 0x11],
  [2, T.NOTAB, 0x12],
  [3, T.NOTAB, 0x13],
];
const first = checkpoint(1, old.batch(...ALL));
const second = checkpoint(2, old.batch([2, T.NOTAB, 0x22]), old.tsc());
const third = checkpoint(3, old.batch([1, T.NOTAB, 0x31], [3, T.NOTAB, 0x33]));

/** Temporary files for pages that are still there under a name. */
const leftFiles = () =>
  readdirSync(os.tmpdir()).filter((name) => name.startsWith("xenferry-pages"));

const holds = (bytes: Uint8Array, part: Uint8Array) =>
  Buffer.from(bytes).includes(Buffer.from(part));

describe("checkpoints of Remus", () => {
  test("the state is that of the last one, and so is memory", async () => {
    const { bytes, outcome } = await convertBytes(join(START, first, second, third));
    expect(bytes).toEqual(
      expected(
        3,
        v2.pageData(...ALL),
        v2.pageData([2, T.NOTAB, 0x22]),
        v2.tscInfo(),
        v2.pageData([1, T.NOTAB, 0x31], [3, T.NOTAB, 0x33]),
      ),
    );
    expect(outcome.legacy).toMatchObject({ checkpoints: 3, discarded: undefined });
    expect(leftFiles()).toEqual([]);
  });

  test("the one that says that it is the last is, whatever follows", async () => {
    const last = checkpoint(2, old.batch([2, T.NOTAB, 0x22]), old.chunk(-9));
    const { bytes, outcome } = await convertBytes(join(START, first, last, text("permission")));
    expect(bytes).toEqual(expected(2, v2.pageData(...ALL), v2.pageData([2, T.NOTAB, 0x22])));
    expect(outcome.bytesRead).toBe(START.length + first.length + last.length);
  });

  test("one that is cut off anywhere leaves the one before", async () => {
    const complete = join(START, first, second);
    const whole = await convertBytes(complete);
    for (let cut = 1; cut < third.length; cut += cut < 40 || cut > third.length - 200 ? 1 : 517) {
      const { bytes, outcome } = await convertBytes(join(complete, third.subarray(0, cut)));
      expect(Buffer.compare(bytes, whole.bytes), `cut at ${cut}`).toBe(0);
      expect(outcome.legacy).toMatchObject({
        checkpoints: 2,
        discarded: { offset: complete.length, error: { code: "STREAM_TRUNCATED" } },
      });
    }
    expect(leftFiles()).toEqual([]);
  });

  test("one that goes wrong, and what is no checkpoint at all, leave the one before", async () => {
    const complete = join(START, first, second);
    const whole = await convertBytes(complete);
    const wrong = join(complete, old.batch([1, T.NOTAB, 0x31]), old.chunk(-99));
    const { bytes, outcome } = await convertBytes(wrong);
    expect(bytes).toEqual(whole.bytes);
    expect(outcome.legacy?.discarded).toMatchObject({
      offset: complete.length,
      error: { code: "LEGACY_CHUNK", where: { id: -99 } },
    });
    const trailing = await convertBytes(join(complete, text("domain is yours")));
    expect(trailing.bytes).toEqual(whole.bytes);
  });

  test("a param that a later one no longer has keeps its value, as in Xen's restore", async () => {
    const body = join(old.batch(...ALL), old.param(-11, 9), old.param(-3, 1), old.toolstack());
    const tail = join(
      old.end(),
      old.hvmTail(Uint8Array.of(1)),
      old.emulator("RemusDeviceModelState", text("s")),
    );
    const later = join(old.batch([2, T.NOTAB, 0x22]), old.param(-3, 2), tail);
    const { bytes } = await convertBytes(join(START, body, tail, later));
    const params = v2.hvmParams([9, 9], [12, 2]);
    expect(holds(bytes, params)).toBe(true);
  });

  test("of a PV guest, too", async () => {
    const pv = (number: number, body: Uint8Array) =>
      join(body, old.end(), old.pvTail(8, [], { basic: number, extended: number }));
    const legacy = join(
      START,
      old.extendedInfo(8),
      old.ulong(3),
      pv(1, old.batch(...ALL)),
      pv(2, old.batch([2, T.NOTAB, 0x22])),
      old.batch([3, T.NOTAB, 0x33]),
    );
    const { bytes } = await convertBytes(legacy, { format: "libxc" });
    expect(bytes).toEqual(
      join(
        v2.libxcHeaders(3, 1, [0, 1]),
        v2.pvInfo(8),
        v2.signal(0x10),
        v2.p2mFrames(15, 3),
        v2.pageData(...ALL),
        v2.pageData([2, T.NOTAB, 0x22]),
        v2.record(4, o.u32(0, 0), new Uint8Array(0x1430).fill(2)),
        v2.record(5, o.u32(0, 0), new Uint8Array(128).fill(2)),
        v2.sharedInfo(),
        v2.signal(0),
      ),
    );
  });

  test("with the device model's state left in place, it is passed over between two", async () => {
    const { bytes, outcome } = await convertBytes(join(START, first, second), {
      format: "libxc",
      emulator: "leave",
    });
    expect(outcome.legacy?.checkpoints).toBe(2);
    expect(holds(bytes, v2.record(9, Uint8Array.of(2)))).toBe(true);
    expect(holds(bytes, text("state"))).toBe(false);
  });
});

/** A page that stands whole among compressed ones. */
const whole = (content: Uint8Array) => join(o.u8(0x80), content);
const same = o.u8(0x00);
const skip = (words: number) => o.u8(0x80 | words);
const run = (content: Uint8Array) => join(o.u8(content.length / 4), content);
/** Passes over so many words, more than one mark can hold. */
const skipMany = (words: number): Uint8Array =>
  words === 0
    ? new Uint8Array(0)
    : join(skip(Math.min(words, 127)), skipMany(words - Math.min(words, 127)));

describe("compressed checkpoints", () => {
  const announcing = checkpoint(1, old.batch(...ALL), old.chunk(-13));

  /** The second page of 1,024 words with words 5 to 7 replaced. */
  const changedWords = Uint8Array.from({ length: 12 }, (_, at) => 0xc0 + at);
  const changed = page(2, 0x22);
  changed.set(changedWords, 20);

  test("pages are whole, as before, or what differs", async () => {
    const two = checkpoint(
      2,
      join(
        old.batchHead([1, T.NOTAB], [4, T.XALLOC]),
        old.batchHead([2, T.NOTAB], [5, T.L1]),
        old.compressedData(whole(page(1, 0x21)), whole(page(2, 0x22))),
        old.compressedData(whole(page(5, 0x25))),
      ),
    );
    const three = checkpoint(
      3,
      join(
        old.batchHead([1, T.NOTAB], [2, T.NOTAB]),
        old.compressedData(same, skip(5), run(changedWords), skipMany(1024 - 8)),
      ),
    );
    const { bytes } = await convertBytes(join(START, announcing, two, three));
    const words = (...entries: readonly Entry[]) =>
      join(
        o.u32(entries.length, 0),
        o.u64(...entries.map(([pfn, type]) => (BigInt(type) << 60n) | BigInt(pfn))),
      );
    expect(bytes).toEqual(
      expected(
        3,
        v2.pageData(...ALL),
        v2.pageData([4, T.XALLOC]),
        v2.pageData([1, T.NOTAB, 0x21], [2, T.NOTAB, 0x22]),
        v2.pageData([5, T.L1, 0x25]),
        v2.record(1, words([1, T.NOTAB], [2, T.NOTAB]), page(1, 0x21), changed),
      ),
    );
  });

  test("after more pages than a sender keeps, only those it kept can differ", async () => {
    const count = 8_192;
    const pfnCount = count + 10;
    const many = Array.from({ length: count + 1 }, (_, pfn): Entry => [pfn, T.NOTAB]);
    const wide = old.p2mSize(pfnCount);
    const body = (pfns: readonly Entry[]) => {
      const parts: Uint8Array[] = [];
      for (let at = 0; at < pfns.length; at += 1024) {
        const batch = pfns.slice(at, at + 1024);
        const pages = batch.map(([pfn]) => whole(page(pfn, 1)));
        parts.push(old.batchHead(...batch), old.compressedData(...pages));
      }
      return join(...parts);
    };
    const kept = checkpoint(3, join(old.batchHead([1, T.NOTAB]), old.compressedData(same)));
    const gone = checkpoint(3, join(old.batchHead([0, T.NOTAB]), old.compressedData(same)));
    const before = join(wide, announcing, checkpoint(2, body(many)));
    const good = await convertBytes(join(before, kept), {}, 1 << 20);
    expect(good.outcome.legacy?.checkpoints).toBe(3);
    const bad = await convertBytes(join(before, gone), {}, 1 << 20);
    expect(bad.outcome.legacy?.discarded?.error).toMatchObject({
      code: "LEGACY_COMPRESSION",
      where: { pfn: 0, at: 0 },
    });
  });

  const two = old.batchHead([1, T.NOTAB], [2, T.NOTAB]);
  const both = [whole(page(1, 0x21)), whole(page(2, 0x22))] as const;
  test.each([
    ["data before it was announced", first, old.compressedData(same)],
    ["data of no page", announcing, join(two, old.compressedData(...both, same))],
    ["a page without data", announcing, join(two, old.compressedData(both[0]))],
    ["a whole page that is cut", announcing, join(two, old.compressedData(both[0].subarray(9)))],
    ["a difference from nothing", announcing, join(two, old.compressedData(same))],
    [
      "a page table's difference",
      announcing,
      join(old.batchHead([1, T.L1]), old.compressedData(same)),
    ],
    [
      "runs beyond the page",
      announcing,
      join(two, old.compressedData(...both), two, old.compressedData(skipMany(1020), skip(5))),
    ],
    [
      "runs that end before the page does",
      announcing,
      join(two, old.compressedData(...both), two, old.compressedData(skipMany(1020))),
    ],
    [
      "a run of nothing",
      announcing,
      join(two, old.compressedData(...both), two, old.compressedData(skip(5), o.u8(0x80))),
    ],
  ])("%s is damage: the checkpoint before counts", async (_, before, body) => {
    const { outcome } = await convertBytes(join(START, before, checkpoint(2, body)));
    expect(outcome.legacy).toMatchObject({
      checkpoints: 1,
      discarded: { error: { code: "LEGACY_COMPRESSION" } },
    });
  });
});
