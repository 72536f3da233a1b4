import { expect, test } from "vitest";
import type { PageEngine } from "../../src/engine/types.ts";
import { expectSame, guardedBytes, guardedCopy } from "../support/guarded.ts";
import { seededRandom } from "../support/random.ts";

const UNTOUCHED = 0xdeadbeef;

/** Around vectors and blocks of each engine, and around the WebAssembly engine's chunks. */
const WORD_COUNTS = [
  0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1023, 1024, 1025, 2047, 2049,
  32767, 32768, 32769,
];

/** Some bits for each of {@link WORD_COUNTS}, made once for all engines. */
const SAMPLES = WORD_COUNTS.map((wordCount) => {
  const ours = someBits(wordCount * 64, `ours ${wordCount}`);
  const theirs = someBits(wordCount * 64, `theirs ${wordCount}`);
  return { wordCount, ours, theirs, union: [...new Set([...ours, ...theirs])] };
});

/** Contract of scanBitmap, countBitmap and orBitmap. */
export function bitmapContract(engine: PageEngine): void {
  scanContract(engine);
  resumeContract(engine);
  countContract(engine);
}

function scanContract(engine: PageEngine): void {
  test("scans hand-made bits in rising order", () => {
    const bitmap = Uint8Array.of(0x81, 0, 0, 0, 0, 0, 0, 0x80, 0x01, 0, 0x40, 0, 0, 0, 0, 0);
    const pfns = new Uint32Array(6).fill(UNTOUCHED);
    expect(engine.scanBitmap(bitmap, 0, pfns)).toBe(5);
    expect([...pfns]).toEqual([0, 7, 63, 64, 86, UNTOUCHED]);
  });

  test.each([0, 1, 3, 8])("scans bitmaps of all lengths, misaligned by %d", (misalignment) => {
    for (const { wordCount, ours: wanted } of SAMPLES) {
      const { bytes, expectIntact } = guardedCopy(bitmapOf(wanted, wordCount), misalignment);
      const pfns = new Uint32Array(wanted.length + 3).fill(UNTOUCHED);
      expect(engine.scanBitmap(bytes, 0, pfns)).toBe(wanted.length);
      expectSame(pfns, Uint32Array.from([...wanted, UNTOUCHED, UNTOUCHED, UNTOUCHED]));
      expectIntact();
    }
  });

  test("scans full bitmaps, and bitmaps with only their last bit", () => {
    for (const wordCount of WORD_COUNTS.slice(1)) {
      const bitCount = wordCount * 64;
      const pfns = new Uint32Array(bitCount + 1).fill(UNTOUCHED);
      const full = new Uint8Array(wordCount * 8).fill(0xff);
      expect(engine.scanBitmap(full, 0, pfns)).toBe(bitCount);
      expect(pfns.findIndex((pfn, index) => pfn !== index)).toBe(bitCount);
      expect(pfns[bitCount]).toBe(UNTOUCHED);
      const last = bitmapOf([bitCount - 1], wordCount);
      expect(engine.scanBitmap(last, 0, pfns)).toBe(1);
      expect(pfns[0]).toBe(bitCount - 1);
    }
  });

  test("gives 0 for nothing to scan or no room", () => {
    const full = new Uint8Array(16).fill(0xff);
    const pfns = new Uint32Array(4).fill(UNTOUCHED);
    expect(engine.scanBitmap(new Uint8Array(0), 0, pfns)).toBe(0);
    expect(engine.scanBitmap(new Uint8Array(1024), 0, pfns)).toBe(0);
    expect(engine.scanBitmap(full, 128, pfns)).toBe(0);
    expect(engine.scanBitmap(full, 129, pfns)).toBe(0);
    expect(engine.scanBitmap(full, 2 ** 32, pfns)).toBe(0);
    expect(engine.scanBitmap(full, Number.MAX_SAFE_INTEGER, pfns)).toBe(0);
    expect(engine.scanBitmap(full, 0, new Uint32Array(0))).toBe(0);
    expect([...pfns]).toEqual([UNTOUCHED, UNTOUCHED, UNTOUCHED, UNTOUCHED]);
  });

  test("reaches the last pfn of the largest bitmap", () => {
    const bitmap = new Uint8Array(2 ** 29);
    bitmap[2 ** 29 - 1] = 0x81;
    bitmap[2 ** 28] = 0x01;
    const pfns = new Uint32Array(3);
    expect(engine.scanBitmap(bitmap, 2 ** 32 - 1000, pfns)).toBe(2);
    expect([...pfns]).toEqual([2 ** 32 - 8, 2 ** 32 - 1, 0]);
    expect(engine.scanBitmap(bitmap, 2 ** 31 - 64, pfns.subarray(0, 1))).toBe(1);
    expect(pfns[0]).toBe(2 ** 31);
    expect(engine.scanBitmap(bitmap, 2 ** 32 - 1, pfns)).toBe(1);
  });
}

function resumeContract(engine: PageEngine): void {
  test("starts in the middle of a word", () => {
    const bitmap = new Uint8Array(4096).fill(0xff);
    const pfns = new Uint32Array(130);
    for (const firstPfn of [1, 31, 32, 33, 63, 64, 65, 511, 513, 8191, 32767 - 130]) {
      expect(engine.scanBitmap(bitmap, firstPfn, pfns)).toBe(130);
      expectSame(
        pfns,
        Uint32Array.from({ length: 130 }, (_, index) => firstPfn + index),
      );
    }
    expect(engine.scanBitmap(bitmap, 32767, pfns)).toBe(1);
    expect(pfns[0]).toBe(32767);
  });

  test.each([1, 2, 3, 15, 16, 17, 63, 64, 65, 1000])("goes on after %d pfns", (outCount) => {
    const wordCount = 1100;
    const wanted = someBits(wordCount * 64, `batches of ${outCount}`).slice(0, outCount * 400);
    const bitmap = bitmapOf(wanted, wordCount);
    const found: number[] = [];
    const { bytes, expectIntact } = guardedBytes(outCount * 4, 0);
    const pfns = new Uint32Array(bytes.buffer, bytes.byteOffset, outCount);
    for (let firstPfn = 0, written = outCount; written === outCount; ) {
      written = engine.scanBitmap(bitmap, firstPfn, pfns);
      found.push(...pfns.subarray(0, written));
      firstPfn = pfns[written - 1]! + 1;
    }
    expectSame(Uint32Array.from(found), Uint32Array.from(wanted));
    expectIntact();
  });

  test("stops in dense words without touching what follows", () => {
    const bitmap = new Uint8Array(256).fill(0xff);
    for (let room = 0; room < 200; room += 1) {
      const pfns = new Uint32Array(200).fill(UNTOUCHED);
      expect(engine.scanBitmap(bitmap, 5, pfns.subarray(0, room))).toBe(room);
      expect(pfns.findIndex((pfn, index) => pfn !== index + 5)).toBe(room);
      expect(pfns.subarray(room).every((pfn) => pfn === UNTOUCHED)).toBe(true);
    }
  });
}

function countContract(engine: PageEngine): void {
  test("counts set bits", () => {
    expect(engine.countBitmap(new Uint8Array(0))).toBe(0);
    expect(engine.countBitmap(Uint8Array.of(1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80))).toBe(8);
    expect(engine.countBitmap(Uint8Array.of(0xff, 0, 0xfe, 0, 0x55, 0, 0x0f, 0))).toBe(23);
    for (const { wordCount, ours: wanted } of SAMPLES) {
      expect(engine.countBitmap(guardedCopy(bitmapOf(wanted, wordCount), 5).bytes)).toBe(
        wanted.length,
      );
      expect(engine.countBitmap(new Uint8Array(wordCount * 8).fill(0xff))).toBe(wordCount * 64);
    }
  });

  test("merges bitmaps and counts the result", () => {
    const into = Uint8Array.of(0x01, 0, 0, 0, 0, 0, 0, 0x80);
    const from = Uint8Array.of(0x03, 0, 0x10, 0, 0, 0, 0, 0);
    expect(engine.orBitmap(into, from)).toBe(4);
    expect([...into]).toEqual([0x03, 0, 0x10, 0, 0, 0, 0, 0x80]);
    expect([...from]).toEqual([0x03, 0, 0x10, 0, 0, 0, 0, 0]);
    expect(engine.orBitmap(new Uint8Array(0), new Uint8Array(0))).toBe(0);
  });

  test.each([0, 1, 7])("merges bitmaps of all lengths, misaligned by %d", (misalignment) => {
    for (const sample of SAMPLES) {
      const ours = bitmapOf(sample.ours, sample.wordCount);
      const theirs = bitmapOf(sample.theirs, sample.wordCount);
      const union = bitmapOf(sample.union, sample.wordCount);
      const into = guardedCopy(ours, misalignment);
      const from = guardedCopy(theirs, 3);
      expect(engine.orBitmap(into.bytes, from.bytes)).toBe(sample.union.length);
      expectSame(into.bytes, union);
      expectSame(from.bytes, theirs);
      into.expectIntact();
    }
  });
}

function bitmapOf(bits: readonly number[], wordCount: number): Uint8Array {
  const bitmap = new Uint8Array(wordCount * 8);
  for (const bit of bits) {
    bitmap[Math.floor(bit / 8)]! |= 1 << (bit % 8);
  }
  return bitmap;
}

/** Rising bit numbers below `bitCount`: empty stretches, single bits and dense stretches. */
function someBits(bitCount: number, seed: string): number[] {
  const random = seededRandom(seed);
  const bits: number[] = [];
  let bit = 0;
  while (bit < bitCount) {
    const stretchEnd = Math.min(bitCount, bit + 1 + random.below(700));
    const density = random.pick([0, 0, 0.01, 0.1, 0.5, 1]);
    for (; bit < stretchEnd; bit += 1) {
      if (random.chance(density)) {
        bits.push(bit);
      }
    }
  }
  return bits;
}
