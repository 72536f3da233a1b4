import { expect, test } from "vitest";
import { HEAD_PAGES_MAX } from "../../src/base/page-head.ts";
import type { PageEngine } from "../../src/engine/types.ts";
import { expectSame, guardedBytes, guardedCopy } from "../support/guarded.ts";
import { seededRandom } from "../support/random.ts";

const UNTOUCHED_PFN = 0xdeadbeef;
const UNTOUCHED_TYPE = 0x7e;

/** Contract of encodePageDataHead and decodePageDataHead. */
export function pageHeadContract(engine: PageEngine): void {
  encodeContract(engine);
  decodeContract(engine);
}

function encodeContract(engine: PageEngine): void {
  test("encodes a hand-written head", () => {
    const head = guardedBytes(16 + 4 * 8, 3);
    const pfns = Uint32Array.of(0x12345678, 0, 0xffffffff, 1);
    expect(engine.encodePageDataHead(pfns, Uint8Array.of(0, 15, 9, 14), head.bytes)).toBe(48);
    expect(Buffer.from(head.bytes).toString("hex")).toBe(
      // Type 1; 40 bytes of count and pfn words and 2 pages: 8232. Count 4, reserved 0.
      "0100000028200000" +
        "0400000000000000" +
        "7856341200000000" +
        "00000000000000f0" +
        "ffffffff00000090" +
        "01000000000000e0",
    );
    head.expectIntact();
  });

  test("counts a page of data for each type below BROKEN", () => {
    const head = Buffer.alloc(24);
    for (let type = 0; type <= 15; type += 1) {
      engine.encodePageDataHead(Uint32Array.of(7), Uint8Array.of(type), head);
      expect(head.readUInt32LE(4)).toBe(type < 0xd ? 8 + 8 + 4096 : 8 + 8);
      expect(head.readBigUInt64LE(16)).toBe((BigInt(type) << 60n) | 7n);
    }
  });

  test("encodes an empty head and leaves the room behind it", () => {
    const head = new Uint8Array(20).fill(0x55);
    expect(engine.encodePageDataHead(new Uint32Array(0), new Uint8Array(3), head)).toBe(16);
    expect([...head]).toEqual([1, 0, 0, 0, 8, ...Array(11).fill(0), 0x55, 0x55, 0x55, 0x55]);
  });

  test.each([1, 7, 8, 9, 1023, 1024, 1025, HEAD_PAGES_MAX])("comes back at %d pages", (count) => {
    const random = seededRandom(`head ${count}`);
    const pfns = Uint32Array.from({ length: count }, () => random.nextUint32());
    const types = Uint8Array.from({ length: count }, () => random.below(16));
    const head = guardedBytes(16 + 8 * count, 1);
    expect(engine.encodePageDataHead(pfns, types, head.bytes)).toBe(16 + 8 * count);
    head.expectIntact();
    const view = Buffer.from(head.bytes);
    const dataPages = types.filter((type) => type < 13).length;
    expect(view.readUInt32LE(4)).toBe(8 + 8 * count + 4096 * dataPages);
    expect(view.readUInt32LE(8)).toBe(count);
    const outPfns = new Uint32Array(count);
    const outTypes = new Uint8Array(count);
    expect(engine.decodePageDataHead(head.bytes.subarray(16), outPfns, outTypes)).toBe(count);
    expectSame(outPfns, pfns);
    expectSame(outTypes, types);
  });
}

function decodeContract(engine: PageEngine): void {
  test("decodes hand-written words", () => {
    const words = guardedCopy(
      Buffer.from("7856341200000000" + "ffffffff000000f0" + "0000000000000050", "hex"),
      1,
    ).bytes;
    const pfns = new Uint32Array(4).fill(UNTOUCHED_PFN);
    const types = new Uint8Array(4).fill(UNTOUCHED_TYPE);
    expect(engine.decodePageDataHead(words, pfns, types)).toBe(3);
    expect([...pfns]).toEqual([0x12345678, 0xffffffff, 0, UNTOUCHED_PFN]);
    expect([...types]).toEqual([0, 15, 5, UNTOUCHED_TYPE]);
    expect(engine.decodePageDataHead(new Uint8Array(0), pfns, types)).toBe(0);
  });

  test("stops at each bit that must be clear", () => {
    const pfns = new Uint32Array(3);
    const types = new Uint8Array(3);
    for (let bit = 0; bit < 64; bit += 1) {
      const words = Buffer.alloc(24);
      words.writeBigUInt64LE(1n << BigInt(bit), 8);
      const isValid = bit < 32 || bit >= 60;
      expect(engine.decodePageDataHead(words, pfns, types)).toBe(isValid ? 3 : 1);
    }
  });

  test("leaves entries alone from the first invalid word on", () => {
    const count = 40_000;
    for (const invalid of [0, 1, 7, 15, 16, 17, 31, 32767, 32768, 32769, count - 1]) {
      const words = Buffer.alloc(count * 8);
      words.writeUInt8(0x10, invalid * 8 + 6);
      words.writeUInt8(0x01, (count - 1) * 8 + 4);
      const pfns = new Uint32Array(count).fill(UNTOUCHED_PFN);
      const types = new Uint8Array(count).fill(UNTOUCHED_TYPE);
      expect(engine.decodePageDataHead(words, pfns, types)).toBe(invalid);
      expect(pfns.subarray(0, invalid).every((pfn) => pfn === 0)).toBe(true);
      expect(pfns.subarray(invalid).every((pfn) => pfn === UNTOUCHED_PFN)).toBe(true);
      expect(types.subarray(0, invalid).every((type) => type === 0)).toBe(true);
      expect(types.subarray(invalid).every((type) => type === UNTOUCHED_TYPE)).toBe(true);
    }
  });
}
