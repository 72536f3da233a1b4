import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { PAGE_ALIGNMENT } from "../../src/format/page-alignment.ts";
import { rewriteStream } from "../../src/migration/rewrite.ts";
import { createFileSink } from "../../src/transport/file-sink.ts";
import { goldenStreams } from "../golden/build.ts";
import { Parts, page, T } from "../golden/parts.ts";
import { smallImage } from "../mutations/images.ts";
import { join, text } from "../support/bytes.ts";
import { ChunkedImage } from "../support/chunked-image.ts";
import { collectEvents } from "../support/events.ts";
import {
  batchesOf,
  memoryChanges,
  memoryDigest,
  rewriteBytes,
  stateOf,
  verdictOn,
} from "../support/rewrite-run.ts";
import { sourceOf } from "../support/sources.ts";
import { wholeImage } from "../support/whole-image.ts";

const parts = new Parts();
const golden = goldenStreams();
const kinds = ["pvh", "hvm", "pv64", "pv32"] as const;
const images = new Map([
  ...golden,
  ...kinds.map((kind) => [`small ${kind}`, smallImage(kind)] as const),
]);
const STATIC_DATA_END = 16;
const VERIFY = 13;
const CHECKPOINT = 14;

function hvm(...records: readonly Uint8Array[]): Uint8Array {
  return join(
    parts.libxcHeaders(3, 2),
    parts.signal(STATIC_DATA_END),
    ...records,
    parts.tscInfo(),
    parts.hvmContext(),
    parts.hvmParams([1, 0]),
    parts.signal(0),
  );
}

/** Entries of all PAGE_DATA, with what fills the pages. */
async function entriesOf(bytes: Uint8Array): Promise<readonly (readonly number[])[]> {
  const events = await collectEvents(bytes, { purpose: "inspect" });
  return events.flatMap((event) => {
    if (event.kind !== "page-data") {
      return [];
    }
    let at = 0;
    return Array.from(event.pfns, (pfn, index) => {
      const type = event.types[index]!;
      const octet = type < T.BROKEN ? [event.pages[at + 100]!] : [];
      at += octet.length * 4096;
      return [pfn, type, ...octet];
    });
  });
}

describe("without changes", () => {
  test.each([...images])("%s is the same octets", async (_name, bytes) => {
    const { bytes: written } = await rewriteBytes(bytes, {}, { writes: "all" });
    expect(Buffer.compare(written, bytes)).toBe(0);
  });
});

describe("memory told otherwise", () => {
  const hasCheckpoints = (name: string) => /remus|colo|checkpoints/.test(name);

  test.each([...images])(
    "%s: accepted as before, the same memory and state",
    async (name, bytes) => {
      const [before, digest] = [await verdictOn(bytes), await memoryDigest(bytes)];
      for (const changes of memoryChanges()) {
        const isRefused = hasCheckpoints(name) && changes.layout === "aligned" && !changes.memory;
        const rewriting = rewriteBytes(bytes, changes, { writes: "all" });
        if (isRefused) {
          await expect(rewriting).rejects.toMatchObject({ code: "USAGE_ARGUMENT" });
          continue;
        }
        const { bytes: written, outcome } = await rewriting;
        const after = await verdictOn(written);
        expect(after.summary.isAccepted || !before.summary.isAccepted).toBe(true);
        expect(outcome.verified.summary).toEqual(after.summary);
        expect(await memoryDigest(written)).toBe(digest);
        expect(after.summary.memoryDigest).toBe(before.summary.memoryDigest);
        if (changes.memory !== "fold" && changes.layout !== "aligned") {
          expect(await stateOf(written)).toEqual(await stateOf(bytes));
        }
      }
    },
  );
});

describe("refusing", () => {
  test("what verify does not accept is not written, and it says why", async () => {
    const bytes = golden.get("pv64-v3-big-endian.xl")!;
    await expect(rewriteBytes(bytes)).rejects.toMatchObject({
      code: "REWRITE_REFUSED",
      where: { finding: "STREAM_BIG_ENDIAN", severity: "refused" },
    });
  });

  test("octets behind the end are refused, too", async () => {
    const bytes = join(smallImage("pvh"), text("what is this?"));
    await expect(rewriteBytes(bytes)).rejects.toMatchObject({
      code: "REWRITE_REFUSED",
      where: { finding: "STREAM_TRAILING_DATA" },
    });
  });
});

describe("pages of zeros", () => {
  test("go without data, unless something else was sent before", async () => {
    const bytes = hvm(
      parts.pageData([1, T.NOTAB, 0], [2, T.NOTAB, 5], [3, T.XALLOC], [4, T.XTAB], [5, T.NOTAB, 0]),
      parts.pageData([1, T.NOTAB, 0], [2, T.NOTAB, 0], [3, T.NOTAB, 0], [4, T.NOTAB, 0]),
      parts.pageData([5, T.NOTAB, 6], [5, T.NOTAB, 0]),
    );
    const { bytes: written } = await rewriteBytes(bytes, { zeroPages: "elide" });
    expect(await entriesOf(written)).toEqual([
      [1, T.XALLOC],
      [2, T.NOTAB, 5],
      [3, T.XALLOC],
      [4, T.XTAB],
      [5, T.XALLOC],
      [1, T.XALLOC],
      [2, T.NOTAB, 0],
      [3, T.XALLOC],
      [4, T.XALLOC],
      [5, T.NOTAB, 6],
      [5, T.NOTAB, 0],
    ]);
    expect(await memoryDigest(written)).toBe(await memoryDigest(bytes));
  });

  test("a PV guest's table of frames stays, which restore wants to be ordinary", async () => {
    const bytes = golden.get("pv32-v2-empty-vcpus.libxl")!;
    const { bytes: written } = await rewriteBytes(bytes, { zeroPages: "elide" });
    expect(await entriesOf(written)).toEqual(await entriesOf(bytes));
  });

  test("page tables and pages to compare stay", async () => {
    const bytes = hvm(
      parts.pageData([1, T.L1, 0], [2, T.NOTAB, 3]),
      parts.signal(VERIFY),
      parts.pageData([1, T.NOTAB, 0], [2, T.NOTAB, 3]),
    );
    const { bytes: written } = await rewriteBytes(bytes, { zeroPages: "elide" });
    expect(Buffer.compare(written, bytes)).toBe(0);
  });
});

describe("batches", () => {
  const run = (first: number, count: number) =>
    Array.from({ length: count }, (_, index) => [first + index, T.XALLOC] as const);
  const lengths = async (bytes: Uint8Array, batchPages: number) => {
    const { bytes: written } = await rewriteBytes(bytes, { batchPages });
    expect((await entriesOf(written)).map(([pfn]) => pfn)).toEqual(
      (await entriesOf(bytes)).map(([pfn]) => pfn),
    );
    return (await batchesOf(written)).map(({ length }) => length);
  };

  test("are filled across records, in order", async () => {
    const bytes = hvm(...[0, 10, 20].map((first) => parts.pageData(...run(first, 10))));
    expect(await lengths(bytes, 1024)).toEqual([30]);
    expect(await lengths(bytes, 7)).toEqual([7, 7, 7, 7, 2]);
    expect(await lengths(bytes, 1)).toEqual(Array.from({ length: 30 }, () => 1));
  });

  test("hold superpages whole where they have room for one", async () => {
    const bytes = hvm(parts.pageData(...run(300, 1000)), parts.pageData(...run(1300, 1000)));
    expect(await lengths(bytes, 1024)).toEqual([724, 1024, 252]);
    expect(await lengths(bytes, 700)).toEqual([212, 512, 512, 512, 252]);
    expect(await lengths(bytes, 512)).toEqual([212, 512, 512, 512, 252]);
    expect(await lengths(bytes, 511)).toEqual([511, 511, 511, 467]);
  });

  test("end with an iteration, and before a frame that they have", async () => {
    const bytes = hvm(
      parts.pageData(...run(0, 5)),
      parts.pageData(...run(3, 5)),
      parts.pageData([9, T.NOTAB, 1], [8, T.NOTAB, 2], [9, T.NOTAB, 3], [10, T.NOTAB, 4]),
      parts.pageData([7, T.NOTAB, 1]),
    );
    expect(await lengths(bytes, 1024)).toEqual([5, 7, 2, 1]);
  });

  test("end with other records", async () => {
    const bytes = hvm(parts.pageData(...run(0, 5)), parts.tscInfo(), parts.pageData(...run(5, 5)));
    expect(await lengths(bytes, 1024)).toEqual([5, 5]);
  });
});

describe("folding", () => {
  test("each frame once, with what came last, rising", async () => {
    const bytes = hvm(
      parts.pageData([9, T.NOTAB, 1], [2, T.NOTAB, 2], [3, T.NOTAB, 3], [4, T.XALLOC]),
      parts.pageData([2, T.XTAB], [9, T.NOTAB, 0], [3, T.XALLOC], [5, T.XTAB]),
      parts.pageData([5, T.NOTAB, 7]),
    );
    const folded = [
      [2, T.XTAB],
      [3, T.NOTAB, 3],
      [4, T.XALLOC],
      [5, T.NOTAB, 7],
      [9, T.NOTAB, 0],
    ];
    for (const source of [sourceOf(bytes), new ChunkedImage([bytes])]) {
      const { bytes: written, outcome } = await rewriteBytes(bytes, { memory: "fold" }, { source });
      expect(await entriesOf(written)).toEqual(folded);
      expect(outcome).toMatchObject({ pageEntriesRead: 9, pageEntriesWritten: 5 });
    }
  });

  test("what was folded is what it is folded to", async () => {
    for (const bytes of images.values()) {
      const ways = { writes: "all" } as const;
      const { bytes: once } = await rewriteBytes(bytes, { memory: "fold" }, ways);
      const { bytes: twice } = await rewriteBytes(once, { memory: "fold" }, ways);
      expect(Buffer.compare(twice, once)).toBe(0);
    }
  });

  test("no pages to compare, and no hand-shake behind", async () => {
    const bytes = golden.get("hvm-verify-captured.xl")!;
    const { bytes: written } = await rewriteBytes(bytes, { memory: "fold" }, { writes: "all" });
    const state = (await stateOf(bytes)).filter((record) => !record.startsWith("libxc 13 "));
    expect(await stateOf(written)).toEqual(state);
    const { summary } = await verdictOn(written);
    expect(summary).toMatchObject({ comparedPageCount: 0, trailingBytes: 0, pageEntryCount: 5 });
  });

  test("of checkpoints the last whole one, with its state", async () => {
    const bytes = golden.get("hvm-remus.xl")!;
    const { bytes: written } = await rewriteBytes(bytes, { memory: "fold" });
    const names = (await collectEvents(written)).flatMap((event) =>
      event.kind === "record" ? [event.name] : event.kind === "page-data" ? ["PAGE_DATA"] : [],
    );
    expect(names).toEqual([
      ...["LIBXC_CONTEXT", "X86_CPUID_POLICY", "X86_MSR_POLICY", "STATIC_DATA_END"],
      ...["PAGE_DATA", "X86_TSC_INFO", "HVM_PARAMS", "HVM_CONTEXT", "END"],
      ...["EMULATOR_CONTEXT", "END"],
    ]);
    expect((await verdictOn(written)).summary).toMatchObject({
      isAccepted: true,
      checkpointCount: 0,
    });
  });

  test("a stream that breaks off ends at its last whole checkpoint", async () => {
    const bytes = golden.get("hvm-remus.xl")!;
    const events = await collectEvents(bytes);
    const ends = events.flatMap((event) =>
      event.kind === "record" && event.name === "CHECKPOINT_END" ? [event.offset + 8] : [],
    );
    const digests = new Set<string | undefined>();
    for (let length = ends[0]!; length < bytes.length - 100; length += 997) {
      const cut = bytes.subarray(0, length);
      const { bytes: written, outcome } = await rewriteBytes(cut, { memory: "fold" });
      expect(outcome.discarded).toMatchObject({ code: "STREAM_TRUNCATED" });
      expect((await verdictOn(written)).summary).toMatchObject({ isAccepted: true });
      const [frame] = (await entriesOf(written)).filter(([pfn]) => pfn === 1);
      expect(frame).toEqual([1, T.NOTAB, length >= ends[1]! ? 0x44 : 0]);
      digests.add(await memoryDigest(written));
    }
    expect(digests.size).toBe(2);
    const before = bytes.subarray(0, ends[0]! - 9);
    await expect(rewriteBytes(before, { memory: "fold" })).rejects.toMatchObject({
      code: "STREAM_TRUNCATED",
    });
  });

  test("later checkpoints replace what comes again, and keep what does not", async () => {
    const bytes = join(
      parts.libxcHeaders(3, 2),
      parts.signal(STATIC_DATA_END),
      parts.pageData([1, T.NOTAB, 1], [2, T.NOTAB, 2]),
      parts.tscInfo(),
      parts.hvmContext(),
      parts.hvmParams([1, 0]),
      parts.signal(CHECKPOINT),
      parts.pageData([2, T.NOTAB, 9], [1, T.XALLOC]),
      parts.hvmParams([1, 2]),
      parts.signal(CHECKPOINT),
      parts.pageData([1, T.NOTAB, 8]),
    );
    for (const source of [sourceOf(bytes), new ChunkedImage([bytes])]) {
      const { bytes: written } = await rewriteBytes(bytes, { memory: "fold" }, { source });
      expect(Buffer.from(written)).toEqual(
        Buffer.from(
          join(
            parts.libxcHeaders(3, 2),
            parts.signal(STATIC_DATA_END),
            parts.pageData([1, T.NOTAB, 1], [2, T.NOTAB, 9]),
            parts.tscInfo(),
            parts.hvmContext(),
            parts.hvmParams([1, 2]),
            parts.signal(0),
          ),
        ),
      );
    }
  });
});

describe("aligned pages", () => {
  const aligned = { layout: "aligned" } as const;

  test("start at multiples of 4096, and what is aligned already stays", async () => {
    for (const name of ["hvm-v3.xl", "pv64-v3.xl", "small hvm"]) {
      const { bytes: once } = await rewriteBytes(images.get(name)!, aligned, { writes: "all" });
      const offsets = (await collectEvents(once)).flatMap((event) =>
        event.kind === "page-data" && event.pages.length > 0 ? [event.pagesOffset % 4096] : [],
      );
      expect(new Set(offsets)).toEqual(new Set([0]));
      const { bytes: twice } = await rewriteBytes(once, aligned, { writes: "all" });
      expect(Buffer.compare(twice, once)).toBe(0);
    }
  });

  test("only records and spaces are added", async () => {
    const bytes = smallImage("pv64");
    const { bytes: written } = await rewriteBytes(bytes, aligned);
    const isAdded = (record: string) => record.startsWith(`libxc ${PAGE_ALIGNMENT} `);
    const [, ...state] = (await stateOf(written)).filter((record) => !isAdded(record));
    expect(state).toEqual((await stateOf(bytes)).slice(1));
    const header = (await collectEvents(written))[0]!;
    const { config } = header.kind === "xl-header" ? header.header : {};
    expect(Buffer.from(config ?? []).toString("latin1")).toMatch(/^\{.*\} *\0$/);
  });

  test("in a file pages of zeros are holes", async () => {
    const zeros = Array.from({ length: 500 }, (_, index) => [index, T.NOTAB, 0] as const);
    const bytes = hvm(parts.pageData([1000, T.NOTAB, 1], ...zeros, [1001, T.NOTAB, 2]));
    const folder = await mkdtemp(path.join(tmpdir(), "xenferry-test-"));
    try {
      const file = path.join(folder, "aligned");
      const sink = await createFileSink(file);
      const { signal } = new AbortController();
      const engine = createReferenceEngine();
      await rewriteStream({ source: sourceOf(bytes), sink, engine, changes: aligned, signal });
      await sink.end();
      const { size, blocks } = await stat(file);
      expect(size).toBeGreaterThan(500 * 4096);
      expect(blocks * 512).toBeLessThan(100 * 4096);
      const { bytes: inMemory } = await rewriteBytes(bytes, aligned);
      expect(Buffer.compare(await wholeImage(file), inMemory)).toBe(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("records", () => {
  test("optional ones are dropped, or added before END", async () => {
    const bytes = golden.get("hvm-optional-records.xl")!;
    const { bytes: without } = await rewriteBytes(bytes, { optionalRecords: "drop" });
    const isOptional = (record: string) => Number(record.split(" ")[1]) >= 0x8000_0000;
    const state = await stateOf(bytes);
    expect(await stateOf(without)).toEqual(state.filter((record) => !isOptional(record)));
    const addedRecords = [{ type: 0x8000_1234, body: text("a note") }];
    const { bytes: noted } = await rewriteBytes(without, { addedRecords });
    const lines = await stateOf(noted);
    const at = lines.findIndex(isOptional);
    expect(lines[at]).toBe(`libxc ${0x8000_1234} little 61206e6f74650000`);
    expect(lines[at + 1]).toBe("libxc 0 little ");
  });

  test.each(["hvm-v2-converted.xl", "hvm-v2.libxc"])("%s becomes version 3", async (name) => {
    const bytes = golden.get(name)!;
    const { bytes: written } = await rewriteBytes(bytes, { version: "upgrade" }, { writes: "all" });
    expect((await verdictOn(written)).summary.version).toBe(3);
    expect(await memoryDigest(written)).toBe(await memoryDigest(bytes));
    const added = (await stateOf(written)).filter((record) => record === "libxc 16 little ");
    expect(added).toHaveLength(1);
  });
});

test("a page is what it was", async () => {
  const bytes = hvm(parts.pageData([7, T.NOTAB, 0x31]));
  const { bytes: written } = await rewriteBytes(bytes, { memory: "fold", layout: "aligned" });
  const event = (await collectEvents(written)).find(({ kind }) => kind === "page-data");
  expect(event).toMatchObject({ pages: page(7, 0x31) });
});
