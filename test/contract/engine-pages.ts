import { expect, test } from "vitest";
import { PAGE_BYTES } from "../../src/base/units.ts";
import type { PageEngine } from "../../src/engine/types.ts";
import { expectSame, guardedBytes, guardedCopy } from "../support/guarded.ts";
import { seededRandom } from "../support/random.ts";

const UNTOUCHED = 0x7e;

/** Around the WebAssembly engine's chunk of 64 pages. */
const PAGE_COUNTS = [0, 1, 2, 63, 64, 65, 129];

/** Around the vectors and blocks of each engine, and both ends of a page. */
const BYTE_OFFSETS = [
  0, 1, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 2047, 2048, 4031, 4064, 4088, 4095,
];

/** Contract of findZeroPages, gatherPages, scatterPages and comparePages. */
export function pagesContract(engine: PageEngine): void {
  zeroContract(engine);
  copyContract(engine);
  compareContract(engine);
  windowContract(engine);
}

function zeroContract(engine: PageEngine): void {
  test("finds a page zero only if each byte is", () => {
    for (const misalignment of [0, 1, 5]) {
      const { bytes: window } = guardedBytes(3 * PAGE_BYTES, misalignment);
      const isZero = new Uint8Array(4).fill(UNTOUCHED);
      for (const offset of BYTE_OFFSETS) {
        window.fill(0);
        window[PAGE_BYTES + offset] = 0x80;
        expect(engine.findZeroPages(window, Uint32Array.of(0, 1, 2), isZero)).toBe(2);
        expect([...isZero]).toEqual([1, 0, 1, UNTOUCHED]);
      }
    }
  });

  test.each(PAGE_COUNTS)("finds zero pages in lists of %d", (pageCount) => {
    const random = seededRandom(`zero ${pageCount}`);
    const wanted = Array.from({ length: pageCount }, () => random.below(2));
    const window = new Uint8Array(Math.max(1, pageCount) * PAGE_BYTES);
    wanted.forEach((isZero, page) => {
      window[page * PAGE_BYTES + random.below(PAGE_BYTES)] = 1 - isZero;
    });
    const order = Array.from({ length: pageCount }, () => random.below(pageCount));
    const found = guardedBytes(pageCount, 1);
    const count = engine.findZeroPages(window, Uint32Array.from(order), found.bytes);
    expect([...found.bytes]).toEqual(order.map((page) => wanted[page]));
    expect(count).toBe(order.filter((page) => wanted[page] === 1).length);
    found.expectIntact();
  });
}

function copyContract(engine: PageEngine): void {
  test.each(PAGE_COUNTS)("gathers and scatters lists of %d pages", (pageCount) => {
    const random = seededRandom(`copy ${pageCount}`);
    for (const misalignment of [0, 3]) {
      const original = numberedPages(Math.max(1, pageCount));
      const window = guardedCopy(original, misalignment);
      const order = shuffled(pageCount, random.below);
      const pages = guardedBytes(pageCount * PAGE_BYTES, misalignment);
      expect(engine.gatherPages(window.bytes, Uint32Array.from(order), pages.bytes)).toBe(
        pageCount,
      );
      order.forEach((page, entry) => {
        expectSame(pageOf(pages.bytes, entry), pageOf(original, page));
      });
      const back = guardedBytes(original.length, 1);
      expect(engine.scatterPages(pages.bytes, Uint32Array.from(order), back.bytes)).toBe(pageCount);
      expectSame(back.bytes, pageCount === 0 ? new Uint8Array(PAGE_BYTES) : original);
      for (const guarded of [window, pages, back]) {
        guarded.expectIntact();
      }
    }
  });

  test("gathers a page as often as it is named", () => {
    const window = numberedPages(3);
    const pages = new Uint8Array(5 * PAGE_BYTES).fill(UNTOUCHED);
    expect(engine.gatherPages(window, Uint32Array.of(2, 2, 0, 2), pages)).toBe(4);
    [2, 2, 0, 2].forEach((page, entry) => {
      expectSame(pageOf(pages, entry), pageOf(window, page));
    });
    expect(pageOf(pages, 4).every((byte) => byte === UNTOUCHED)).toBe(true);
  });

  test("scatters in order, so that the last page for an index stays", () => {
    const pages = numberedPages(5);
    const window = new Uint8Array(4 * PAGE_BYTES).fill(UNTOUCHED);
    expect(engine.scatterPages(pages, Uint32Array.of(1, 2, 1, 2, 1), window)).toBe(5);
    expectSame(pageOf(window, 1), pageOf(pages, 4));
    expectSame(pageOf(window, 2), pageOf(pages, 3));
    expect(pageOf(window, 0).every((byte) => byte === UNTOUCHED)).toBe(true);
    expect(pageOf(window, 3).every((byte) => byte === UNTOUCHED)).toBe(true);
  });
}

function compareContract(engine: PageEngine): void {
  test("sees a difference in each byte", () => {
    const window = guardedCopy(numberedPages(3), 1).bytes;
    const differs = new Uint8Array(4).fill(UNTOUCHED);
    for (const offset of BYTE_OFFSETS) {
      const pages = guardedCopy(numberedPages(3), 6).bytes;
      pages[PAGE_BYTES + offset]! ^= 0x10;
      expect(engine.comparePages(window, Uint32Array.of(0, 1, 2), pages, differs)).toBe(1);
      expect([...differs]).toEqual([0, 1, 0, UNTOUCHED]);
    }
  });

  test.each(PAGE_COUNTS)("compares lists of %d pages", (pageCount) => {
    const random = seededRandom(`compare ${pageCount}`);
    const window = numberedPages(Math.max(1, pageCount));
    const order = Array.from({ length: pageCount }, () => random.below(pageCount));
    const wanted = order.map(() => random.below(2));
    const pages = new Uint8Array(pageCount * PAGE_BYTES);
    order.forEach((page, entry) => {
      pages.set(pageOf(window, page), entry * PAGE_BYTES);
      pages[entry * PAGE_BYTES + random.below(PAGE_BYTES)]! ^= wanted[entry]!;
    });
    const differs = guardedBytes(pageCount, 3);
    const count = engine.comparePages(window, Uint32Array.from(order), pages, differs.bytes);
    expect([...differs.bytes]).toEqual(wanted);
    expect(count).toBe(wanted.filter((flag) => flag === 1).length);
    differs.expectIntact();
  });
}

function windowContract(engine: PageEngine): void {
  test("works on shared memory", () => {
    const window = new Uint8Array(new SharedArrayBuffer(2 * PAGE_BYTES));
    const pages = numberedPages(2);
    const flags = new Uint8Array(2);
    expect(engine.findZeroPages(window, Uint32Array.of(0, 1), flags)).toBe(2);
    expect(engine.scatterPages(pages, Uint32Array.of(1, 0), window)).toBe(2);
    expect(engine.comparePages(window, Uint32Array.of(1, 0), pages, flags)).toBe(0);
    const gathered = new Uint8Array(2 * PAGE_BYTES);
    expect(engine.gatherPages(window, Uint32Array.of(1, 0), gathered)).toBe(2);
    expectSame(gathered, pages);
  });

  test("reaches the last page of a window of 4 GiB", ({ skip }) => {
    const window = allocate(2 ** 32);
    skip(window === undefined, "this machine grants no 4 GiB of address space");
    const pageIndexes = Uint32Array.of(2 ** 20 - 1, 2 ** 19, 0);
    const pages = numberedPages(3);
    const flags = new Uint8Array(3);
    engine.scatterPages(pages, pageIndexes, window!);
    expect(window!.at(-1)).toBe(pages[PAGE_BYTES - 1]);
    expect(engine.comparePages(window!, pageIndexes, pages, flags)).toBe(0);
    expect(
      engine.findZeroPages(
        window!,
        pageIndexes.map((page) => page ^ 1),
        flags,
      ),
    ).toBe(3);
    const gathered = new Uint8Array(3 * PAGE_BYTES);
    engine.gatherPages(window!, pageIndexes, gathered);
    expectSame(gathered, pages);
  });
}

function allocate(lengthBytes: number): Uint8Array | undefined {
  try {
    return new Uint8Array(lengthBytes);
  } catch {
    return undefined;
  }
}

/** Pages that differ from each other in each 32-bit word. */
function numberedPages(pageCount: number): Uint8Array {
  const words = new Uint32Array((pageCount * PAGE_BYTES) / 4);
  for (let at = 0; at < words.length; at += 1) {
    words[at] = Math.imul(at + 1, 0x9e3779b1);
  }
  return new Uint8Array(words.buffer);
}

function pageOf(pages: Uint8Array, page: number): Uint8Array {
  return pages.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
}

/** Each number below `count` once, with stretches of consecutive ones. */
function shuffled(count: number, below: (limit: number) => number): number[] {
  const order: number[] = [];
  for (let first = 0; first < count; ) {
    const run = Array.from(
      { length: Math.min(count - first, 1 + below(5)) },
      (_, index) => first + index,
    );
    order.splice(below(order.length + 1), 0, ...run);
    first += run.length;
  }
  return order;
}
