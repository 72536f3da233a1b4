import { readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import type { ByteSink } from "../../src/base/io.ts";
import { PAGE_BYTES } from "../../src/base/units.ts";
import type { Window } from "../../src/base/window.ts";
import { PageDataDecoder } from "../../src/codec/page-data.ts";
import type { SourceMemory } from "../../src/guest/types.ts";
import { createNativePump } from "../../src/migration/native-pump.ts";
import { createPortablePump } from "../../src/migration/portable-pump.ts";
import {
  fullBitmap,
  type PumpJob,
  type PumpOptions,
  type SendPump,
} from "../../src/migration/pump.ts";
import { createFileSink } from "../../src/transport/file-sink.ts";
import { probePump } from "../../src/transport/pump-addon.ts";
import { enginesUnderTest } from "../support/engines.ts";

const PFN_COUNT = 40;

/** What differs between two runs of the same. */
const NO_TIMES = { scanMs: 0, parts: {} };
const OPTIONS = { bytesPerSecondMax: 0, skipsUnchanged: false };

/** RAM whose page n is filled with n + 1. */
function ram(): Uint8Array {
  const bytes = new Uint8Array(PFN_COUNT * PAGE_BYTES);
  for (let pfn = 0; pfn < PFN_COUNT; pfn++) {
    bytes.fill(pfn + 1, pfn * PAGE_BYTES, (pfn + 1) * PAGE_BYTES);
  }
  return bytes;
}

/** Memory in windows of `pageCounts`, or without any where it can only be gathered. */
function memoryOf(pageCounts: readonly number[]): SourceMemory {
  const bytes = ram();
  const windows: Window[] = [];
  let firstPfn = 0;
  for (const pageCount of pageCounts) {
    const end = (firstPfn + pageCount) * PAGE_BYTES;
    windows.push({ firstPfn, bytes: bytes.subarray(firstPfn * PAGE_BYTES, end) });
    firstPfn += pageCount;
  }
  return {
    pfnCount: PFN_COUNT,
    windows,
    gather: async (pfns, outPages) => {
      pfns.forEach((pfn, index) => {
        const from = pfn * PAGE_BYTES;
        outPages.set(bytes.subarray(from, from + PAGE_BYTES), index * PAGE_BYTES);
      });
    },
    populated: async () => undefined,
  };
}

/** A sink that keeps what it gets; `body` is the one record in it, decoded. */
function recordSink() {
  const chunks: Buffer[] = [];
  const sink: ByteSink = {
    get offset() {
      return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    },
    write: async (...received) => {
      chunks.push(...received.map((chunk) => Buffer.from(chunk)));
    },
    end: async () => undefined,
    abort: async () => undefined,
  };
  return { sink, bytes: async () => Buffer.concat(chunks) };
}

function bitmapOf(...pfns: readonly number[]): Uint8Array {
  const bitmap = new Uint8Array(8);
  for (const pfn of pfns) {
    bitmap[pfn >> 3]! |= 1 << (pfn & 7);
  }
  return bitmap;
}

const { addon, reason } = probePump();

/** The pumps that there are: each must send the same octets. */
const PUMPS: readonly SendPump["name"][] =
  addon === undefined ? ["portable"] : ["portable", "native"];

/** A file to send into, and what came into it. */
async function fileSink() {
  const file = path.join(os.tmpdir(), `xenferry-pump-${process.pid}`);
  const sink = await createFileSink(file);
  onTestFinished(() => sink.abort());
  const bytes = async () => {
    await sink.end();
    const content = await readFile(file);
    await rm(file);
    return content;
  };
  return { sink, bytes };
}

interface Changes extends Partial<PumpJob> {
  readonly pump?: SendPump["name"];
}

async function openPump(name: SendPump["name"], memory: SourceMemory, options: PumpOptions) {
  const engine = enginesUnderTest().engines.at(-1)!.engine;
  const { sink, bytes } = name === "native" ? await fileSink() : recordSink();
  const parts = { memory, engine, sink, clock: systemClock, options };
  const pump =
    name === "native" ? createNativePump({ ...parts, addon: addon! }) : createPortablePump(parts);
  return { pump, engine, bytes };
}

async function send(memory: SourceMemory, changes: Changes) {
  const { pump: name = "portable", ...job } = changes;
  const { pump, engine, bytes: received } = await openPump(name, memory, OPTIONS);
  const deferredBitmap = new Uint8Array(8);
  const counts = await pump.send({
    dirtyBitmap: fullBitmap(PFN_COUNT),
    deferredBitmap,
    elidesZeroPages: false,
    pagesPlanned: PFN_COUNT,
    onProgress: () => undefined,
    signal: new AbortController().signal,
    ...job,
  });
  const bytes = await received();
  const record = {
    kind: "record",
    layer: "libxc",
    type: 1,
    name: "PAGE_DATA",
    isOptional: false,
    isInferred: false,
    offset: 0,
    byteOrder: "little",
    body: bytes.subarray(8),
    padding: new Uint8Array(0),
  } as const;
  const page = bytes.length === 0 ? undefined : new PageDataDecoder(engine).decode(record);
  return { counts, deferredBitmap, bytes, page };
}

describe.each([
  ["one window", [40]],
  ["windows that a run crosses", [13, 20, 7]],
  ["no window at all", []],
] as const)("a pump over %s", (_what, windows) => {
  it("sends a whole guest", async () => {
    const { page, counts, bytes } = await send(memoryOf(windows), {});
    expect([...page!.pfns]).toEqual(Array.from({ length: PFN_COUNT }, (_, pfn) => pfn));
    expect(Buffer.from(page!.pages).equals(ram())).toBe(true);
    expect(bytes.readUInt32LE(4)).toBe(bytes.length - 8);
    expect(counts).toMatchObject({ pagesSent: 40, pagesAllocateOnly: 0, bytes: bytes.length });
  });

  it("sends scattered pages", async () => {
    const { page, counts } = await send(memoryOf(windows), { dirtyBitmap: bitmapOf(1, 14, 39) });
    expect([...page!.pfns]).toEqual([1, 14, 39]);
    const fills = [0, 1, 2].map((index) => page!.pages[index * PAGE_BYTES]);
    expect(fills).toEqual([2, 15, 40]);
    expect(counts.pagesSent).toBe(3);
  });
});

describe("a pump", () => {
  it("sends nothing where nothing is dirty", async () => {
    const { bytes, counts } = await send(memoryOf([40]), { dirtyBitmap: new Uint8Array(8) });
    expect(bytes).toHaveLength(0);
    expect(counts).toMatchObject({ pagesSent: 0, bytes: 0 });
  });

  it("sends pages that were never populated without data", async () => {
    const { page, counts } = await send(memoryOf([40]), {
      dirtyBitmap: bitmapOf(3, 4, 5),
      populatedBitmap: bitmapOf(4),
    });
    expect([...page!.types]).toEqual([0xe, 0x0, 0xe]);
    expect([...page!.pages]).toEqual(Array.from({ length: PAGE_BYTES }, () => 5));
    expect(counts).toMatchObject({ pagesSent: 1, pagesAllocateOnly: 2 });
  });

  it("keeps what cannot be sent for later", async () => {
    const unsendable = (pfns: Uint32Array) => Uint8Array.from(pfns, (pfn) => (pfn < 38 ? 1 : 0));
    const memory = { ...memoryOf([40]), unsendable };
    const { page, counts, deferredBitmap } = await send(memory, {});
    expect([...page!.pfns]).toEqual([38, 39]);
    expect(counts).toMatchObject({ pagesSent: 2, pagesDeferred: 38 });
    expect([...deferredBitmap]).toEqual([255, 255, 255, 255, 0x3f, 0, 0, 0]);
  });
});

describe.each(PUMPS)(`the %s pump (${reason ?? "both"})`, (pump) => {
  const windows = [13, 20, 7];

  it("sends what the other one sends, and clears what it has taken", async () => {
    const dirtyBitmap = bitmapOf(0, 12, 13, 14, 30, 33, 39);
    const { bytes, counts } = await send(memoryOf(windows), { pump, dirtyBitmap });
    const plain = await send(memoryOf([40]), { dirtyBitmap: bitmapOf(0, 12, 13, 14, 30, 33, 39) });
    expect(bytes.equals(plain.bytes)).toBe(true);
    expect({ ...counts, ...NO_TIMES }).toEqual({ ...plain.counts, ...NO_TIMES });
    expect([...dirtyBitmap]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("names pages of zeros where that is asked for", async () => {
    const memory = memoryOf(windows);
    for (const { bytes, firstPfn } of memory.windows) {
      const zeros = [5, 13, 38].map((pfn) => pfn - firstPfn).filter((index) => index >= 0);
      zeros.forEach((index) => {
        bytes.fill(0, index * PAGE_BYTES, (index + 1) * PAGE_BYTES);
      });
    }
    const dirty = [4, 5, 12, 13, 38, 39];
    const populatedBitmap = bitmapOf(4, 5, 13, 38, 39);
    const job = { pump, populatedBitmap, elidesZeroPages: true };
    const { page, counts } = await send(memory, { ...job, dirtyBitmap: bitmapOf(...dirty) });
    expect([...page!.pfns]).toEqual(dirty);
    expect([...page!.types]).toEqual([0, 0xe, 0xe, 0xe, 0xe, 0]);
    expect(page!.pages).toHaveLength(2 * PAGE_BYTES);
    expect(counts).toMatchObject({ pagesSent: 2, pagesAllocateOnly: 4 });
    const data = await send(memory, { ...job, elidesZeroPages: false, dirtyBitmap: bitmapOf(5) });
    expect([...data.page!.types]).toEqual([0]);
  });

  it("leaves out pages that were last sent with the same content", async () => {
    const memory = memoryOf(windows);
    const options = { ...OPTIONS, skipsUnchanged: true };
    const opened = await openPump(pump, memory, options);
    const sendDirty = (...pfns: readonly number[]) =>
      opened.pump.send({
        dirtyBitmap: bitmapOf(...pfns),
        deferredBitmap: new Uint8Array(8),
        elidesZeroPages: false,
        pagesPlanned: pfns.length,
        onProgress: () => undefined,
        signal: new AbortController().signal,
      });
    const first = await sendDirty(12, 13, 14, 39);
    memory.windows[1]!.bytes.fill(0xee, PAGE_BYTES, 2 * PAGE_BYTES);
    const second = await sendDirty(12, 13, 14, 20);
    const third = await sendDirty(12, 14, 20);
    expect(first).toMatchObject({ pagesSent: 4, pagesUnchanged: 0 });
    expect(second).toMatchObject({ pagesSent: 2, pagesUnchanged: 2 });
    expect(third).toMatchObject({ pagesSent: 0, pagesUnchanged: 3, bytes: 0 });
    const bytes = await opened.bytes();
    const tail = bytes.subarray(first.bytes);
    expect(tail.readUInt32LE(8)).toBe(2);
    expect([tail.readUInt32LE(16), tail.readUInt32LE(24)]).toEqual([14, 20]);
    expect([tail[32], tail[32 + PAGE_BYTES]]).toEqual([0xee, 21]);
    expect(bytes).toHaveLength(first.bytes + second.bytes);
  });

  it("stops where it is told to", async () => {
    const signal = AbortSignal.abort();
    await expect(send(memoryOf(windows), { pump, signal })).rejects.toMatchObject({
      code: "MIGRATION_INTERRUPTED",
    });
  });
});

describe("fullBitmap", () => {
  it.each([
    [1, [1, 0, 0, 0, 0, 0, 0, 0]],
    [8, [255, 0, 0, 0, 0, 0, 0, 0]],
    [65, [255, 255, 255, 255, 255, 255, 255, 255, 1, 0, 0, 0, 0, 0, 0, 0]],
  ])("of %i pages", (pfnCount, expected) => {
    expect([...fullBitmap(pfnCount)]).toEqual(expected);
  });
});
