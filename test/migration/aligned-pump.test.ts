import { readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { PAGE_BYTES } from "../../src/base/units.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import type { SourceMemory } from "../../src/guest/types.ts";
import { createNativePump } from "../../src/migration/native-pump.ts";
import { createPortablePump } from "../../src/migration/portable-pump.ts";
import type { SendPump } from "../../src/migration/pump.ts";
import { createFileSink } from "../../src/transport/file-sink.ts";
import { type FileAccess, probePump } from "../../src/transport/pump-addon.ts";

const PFN_COUNT = 40;
const { addon, reason } = probePump();

/** A way to write. */
interface Way {
  readonly name: SendPump["name"];
  readonly fileAccess: FileAccess;
}

const PORTABLE: Way = { name: "portable", fileAccess: "auto" };
const WAYS: readonly Way[] = [
  PORTABLE,
  ...(addon === undefined
    ? []
    : (["cached", "direct"] as const).map(
        (fileAccess) => ({ name: "native", fileAccess }) as const,
      )),
];

/** RAM whose page n is filled with n + 1. */
function memory(): SourceMemory {
  const bytes = new Uint8Array(PFN_COUNT * PAGE_BYTES);
  bytes.forEach((_, at) => {
    bytes[at] = Math.floor(at / PAGE_BYTES) + 1;
  });
  const gather = () => Promise.reject(new Error("all of RAM is mapped"));
  return {
    pfnCount: PFN_COUNT,
    windows: [{ firstPfn: 0, bytes }],
    gather,
    populated: async () => undefined,
  };
}

function bitmapOf(pfns: readonly number[]): Uint8Array {
  const bitmap = new Uint8Array(8);
  for (const pfn of pfns) {
    bitmap[pfn >> 3]! |= 1 << (pfn & 7);
  }
  return bitmap;
}

/** What a file holds behind `start` zeros after an iteration for each of `iterations`. */
async function sent(
  { name, fileAccess }: Way,
  start: number,
  iterations: readonly {
    readonly pfns: readonly number[];
    readonly populated?: readonly number[];
  }[],
): Promise<{ readonly bytes: Buffer; readonly counted: number; readonly directBytes: number }> {
  const file = path.join(os.tmpdir(), `xenferry-aligned-${process.pid}`);
  const sink = await createFileSink(file);
  onTestFinished(() => rm(file, { force: true }));
  await sink.write(new Uint8Array(start));
  const options = { bytesPerSecondMax: 0, skipsUnchanged: false, alignsPages: true, fileAccess };
  const parts = {
    memory: memory(),
    engine: createReferenceEngine(),
    sink,
    clock: systemClock,
    options,
  };
  const pump =
    name === "native" ? createNativePump({ ...parts, addon: addon! }) : createPortablePump(parts);
  let counted = start;
  for (const { pfns, populated } of iterations) {
    const { bytes } = await pump.send({
      dirtyBitmap: bitmapOf(pfns),
      ...(populated && { populatedBitmap: bitmapOf(populated) }),
      deferredBitmap: new Uint8Array(8),
      elidesZeroPages: false,
      pagesPlanned: pfns.length,
      onProgress: () => undefined,
      signal: new AbortController().signal,
    });
    counted += bytes;
    expect(sink.offset).toBe(counted);
  }
  await sink.end();
  return { bytes: await readFile(file), counted, directBytes: pump.directBytes };
}

/** Header, count and pfn words of a PAGE_DATA. */
function head(dataPages: number, ...words: readonly bigint[]): Buffer {
  const bytes = Buffer.alloc(16 + 8 * words.length);
  bytes.writeUInt32LE(1, 0);
  bytes.writeUInt32LE(8 + 8 * words.length + dataPages * PAGE_BYTES, 4);
  bytes.writeUInt32LE(words.length, 8);
  words.forEach((word, index) => {
    bytes.writeBigUInt64LE(word, 16 + 8 * index);
  });
  return bytes;
}

/** A PAGE_ALIGNMENT of so many octets, header included. */
function alignment(recordBytes: number): Buffer {
  const bytes = Buffer.alloc(recordBytes);
  bytes.write("PAD", "latin1");
  bytes[3] = 0x80;
  bytes.writeUInt32LE(recordBytes - 8, 4);
  return bytes;
}

const pages = (...fills: readonly number[]) =>
  Buffer.concat(fills.map((fill) => Buffer.alloc(PAGE_BYTES, fill)));

describe.each(WAYS)(`aligned pages by the $name pump, $fileAccess (${reason ?? "both"})`, (way) => {
  it("start at a multiple of the page size", async () => {
    const { bytes } = await sent(way, 48, [{ pfns: [1, 2, 39] }]);
    expect(bytes).toEqual(
      Buffer.concat([
        Buffer.alloc(48),
        alignment(4096 - 48 - 40),
        head(3, 1n, 2n, 39n),
        pages(2, 3, 40),
      ]),
    );
  });

  it("need nothing before them where they would anyway", async () => {
    const { bytes } = await sent(way, 4096 - 24, [{ pfns: [7] }]);
    expect(bytes).toEqual(Buffer.concat([Buffer.alloc(4096 - 24), head(1, 7n), pages(8)]));
  });

  it("may need a record without a body, or one of nearly a page", async () => {
    const none = await sent(way, 4096 - 32, [{ pfns: [7] }]);
    expect(none.bytes.subarray(4096 - 32)).toEqual(
      Buffer.concat([alignment(8), head(1, 7n), pages(8)]),
    );
    const most = await sent(way, 4096 - 16, [{ pfns: [7] }]);
    expect(most.bytes.subarray(4096 - 16)).toEqual(
      Buffer.concat([alignment(4088), head(1, 7n), pages(8)]),
    );
  });

  it("need nothing where there are none", async () => {
    const { bytes } = await sent(way, 8, [{ pfns: [5], populated: [] }]);
    expect(bytes).toEqual(Buffer.concat([Buffer.alloc(8), head(0, 0xe000_0000_0000_0005n)]));
  });

  it("go on behind records of any length", async () => {
    const iterations = [
      { pfns: [0, 1, 2], populated: [1] },
      { pfns: [4, 5], populated: [] },
      { pfns: [] },
      { pfns: [3] },
      { pfns: [0, 2, 4, 6, 8, 10] },
    ];
    const { bytes, counted } = await sent(way, 1000, iterations);
    const expected = await sent(PORTABLE, 1000, iterations);
    expect(bytes.equals(expected.bytes)).toBe(true);
    expect(bytes).toHaveLength(counted);
  });
});

describe.skipIf(addon === undefined)("the native pump", () => {
  it("says what went past the page cache", async () => {
    const cached = await sent({ name: "native", fileAccess: "cached" }, 0, [{ pfns: [1, 2] }]);
    expect(cached.directBytes).toBe(0);
    const direct = await sent({ name: "native", fileAccess: "direct" }, 0, [{ pfns: [1, 2] }]);
    expect([0, 3 * PAGE_BYTES]).toContain(direct.directBytes);
  });
});
