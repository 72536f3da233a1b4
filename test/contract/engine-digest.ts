import { expect, test } from "vitest";
import { LITTLE_ENDIAN, PAGE_BYTES } from "../../src/base/units.ts";
import { DIGEST_BYTES, DIGEST_KEY_BYTES, type PageEngine } from "../../src/engine/types.ts";
import { guardedBytes, guardedCopy } from "../support/guarded.ts";
import { definedDigest } from "../support/nh.ts";
import { seededRandom } from "../support/random.ts";

const UNTOUCHED = 0x7e;

/** Contract of digestPages. */
export function digestContract(engine: PageEngine): void {
  simpleContract(engine);
  definitionContract(engine);
}

function simpleContract(engine: PageEngine): void {
  test("sums a product a pair of words", () => {
    expect(digestOf(engine, pageOf(0), keyOf({}))).toEqual([0n, 0n, 0n, 0n]);
    expect(digestOf(engine, pageOf(0), keyOf({}, 1))).toEqual([512n, 512n, 512n, 512n]);
    expect(digestOf(engine, pageOf(3), keyOf({}, 4))).toEqual([25088n, 25088n, 25088n, 25088n]);
  });

  test("adds words modulo 2^32 and products modulo 2^64", () => {
    const ones = 0xffff_ffff;
    // (2^32 - 1)^2 * 512 = 2^73 - 2^42 + 512.
    const wrapped = 2n ** 64n - 2n ** 42n + 512n;
    expect(digestOf(engine, pageOf(ones), keyOf({}))).toEqual([wrapped, wrapped, wrapped, wrapped]);
    expect(digestOf(engine, pageOf(ones), keyOf({}, 1))).toEqual([0n, 0n, 0n, 0n]);
    expect(digestOf(engine, pageOf(ones), keyOf({}, 3))).toEqual([2048n, 2048n, 2048n, 2048n]);
  });

  test("multiplies word n by word n + 4, the key four words further on each time", () => {
    expect(digestOf(engine, pageOf(0), keyOf({ 0: 3, 4: 5 }))).toEqual([15n, 0n, 0n, 0n]);
    expect(digestOf(engine, pageOf(0), keyOf({ 4: 3, 8: 5 }))).toEqual([0n, 15n, 0n, 0n]);
    expect(digestOf(engine, pageOf(0), keyOf({ 8: 3, 12: 5 }))).toEqual([15n, 0n, 15n, 0n]);
    expect(digestOf(engine, pageOf(0), keyOf({ 0: 3, 1: 5 }))).toEqual([0n, 0n, 0n, 0n]);
  });

  test("uses the key up to its last word", () => {
    expect(digestOf(engine, pageOf(0), keyOf({ 1031: 9, 1035: 7 }))).toEqual([0n, 0n, 0n, 63n]);
    expect(digestOf(engine, pageOf(0), keyOf({ 1019: 9, 1023: 7 }))).toEqual([63n, 0n, 63n, 0n]);
  });
}

function definitionContract(engine: PageEngine): void {
  test.each([0, 1, 7])("agrees with the definition, misaligned by %d", (misalignment) => {
    const random = seededRandom(`digest ${misalignment}`);
    const content = new Uint8Array(4 * PAGE_BYTES);
    random.fill(content);
    const key = new Uint8Array(DIGEST_KEY_BYTES);
    random.fill(key);
    const order = [2, 0, 3, 1, 2];
    const window = guardedCopy(content, misalignment).bytes;
    const keyBytes = guardedCopy(key, misalignment).bytes;
    const { bytes: digests, expectIntact } = guardedBytes(5 * DIGEST_BYTES, misalignment);
    expect(engine.digestPages(window, Uint32Array.from(order), keyBytes, digests)).toBe(5);
    const wanted = order.flatMap((page) =>
      definedDigest(content.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES), key),
    );
    expect(hashesOf(digests)).toEqual(wanted);
    expectIntact();
  });

  test("each bit counts, wherever it is", () => {
    const key = new Uint8Array(DIGEST_KEY_BYTES);
    seededRandom("each bit").fill(key);
    const page = new Uint8Array(PAGE_BYTES);
    const seen = new Set([digestOf(engine, page, key).join()]);
    for (let at = 0; at < PAGE_BYTES; at += 61) {
      page[at] = 1 << (at % 8);
      seen.add(digestOf(engine, page, key).join());
      page[at] = 0;
    }
    expect(seen.size).toBe(1 + Math.ceil(PAGE_BYTES / 61));
  });

  test.each([0, 1, 2, 63, 64, 65, 129])("digests lists of %d pages", (pageCount) => {
    const window = new Uint8Array(2 * PAGE_BYTES).fill(1, PAGE_BYTES);
    const order = Array.from({ length: pageCount }, (_, entry) => ((entry * entry) % 3) % 2);
    const digests = new Uint8Array(pageCount * DIGEST_BYTES + 1).fill(UNTOUCHED);
    const pageIndexes = Uint32Array.from(order);
    expect(engine.digestPages(window, pageIndexes, keyOf({}, 1), digests)).toBe(pageCount);
    // Words of 0 + 1, and of 0x01010101 + 1: 0x01010102^2 * 512.
    const known = [512n, 0x01010102n ** 2n * 512n];
    expect(hashesOf(digests.subarray(0, -1))).toEqual(
      order.flatMap((page) => Array.from({ length: 4 }, () => known[page]!)),
    );
    expect(digests.at(-1)).toBe(UNTOUCHED);
  });
}

function digestOf(engine: PageEngine, page: Uint8Array, key: Uint8Array): bigint[] {
  const digest = new Uint8Array(DIGEST_BYTES);
  engine.digestPages(page, Uint32Array.of(0), key, digest);
  return hashesOf(digest);
}

function hashesOf(digests: Uint8Array): bigint[] {
  const view = new DataView(digests.buffer, digests.byteOffset, digests.byteLength);
  return Array.from({ length: digests.length / 8 }, (_, at) =>
    view.getBigUint64(8 * at, LITTLE_ENDIAN),
  );
}

/** A page of one word over and over. */
function pageOf(word: number): Uint8Array {
  return bytesOf(Array.from({ length: PAGE_BYTES / 4 }, () => word));
}

/** A key of one word over and over, but for those given by number. */
function keyOf(words: Readonly<Record<number, number>>, others = 0): Uint8Array {
  return bytesOf(Array.from({ length: DIGEST_KEY_BYTES / 4 }, (_, at) => words[at] ?? others));
}

function bytesOf(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [at, word] of words.entries()) {
    view.setUint32(4 * at, word, LITTLE_ENDIAN);
  }
  return bytes;
}
