import { describe, expect, test } from "vitest";
import type { RecordEvent } from "../../src/codec/events.ts";
import { PageDataDecoder, PageDataEncoder } from "../../src/codec/page-data.ts";
import { hex, join, octetsIn } from "../support/bytes.ts";
import { enginesUnderTest } from "../support/engines.ts";

function record(body: Uint8Array, byteOrder: "little" | "big" = "little"): RecordEvent {
  return {
    kind: "record",
    layer: "libxc",
    offset: 1000,
    type: 1,
    name: "PAGE_DATA",
    isOptional: false,
    isInferred: false,
    byteOrder,
    body,
    padding: new Uint8Array(0),
  };
}

const PAGE_A = new Uint8Array(4096).fill(0xaa);
const PAGE_B = new Uint8Array(4096).fill(0xbb);

describe.each(enginesUnderTest().engines)("with the heads of $label", ({ engine: codec }) => {
  const decoder = new PageDataDecoder(codec);
  const encoder = new PageDataEncoder(codec);

  test("columns, pages and where they are", () => {
    // NOTAB 5, XTAB 2^32 - 1, L1TAB pinned 0x12345678.
    const words = hex("0500000000000000 ffffffff000000f0 7856341200000090");
    const event = decoder.decode(record(join(hex("03000000 00000000"), words, PAGE_A, PAGE_B)));
    expect(event).toMatchObject({
      kind: "page-data",
      offset: 1000,
      bodyBytes: 8 + 24 + 8192,
      pfns: Uint32Array.of(5, 0xffff_ffff, 0x1234_5678),
      types: Uint8Array.of(0, 15, 9),
      pagesOffset: 1000 + 8 + 8 + 24,
      reserved: 0,
      reservedWordIndex: undefined,
    });
    expect(Buffer.compare(event.pages, join(PAGE_A, PAGE_B))).toBe(0);
    const head = encoder.encodeHead(event);
    expect(head).toEqual(join(hex("01000000 20200000 03000000 00000000"), words));
  });

  test("big-endian", () => {
    const body = join(hex("00000002 00000000 0000000000000005 f0000000ffffffff"), PAGE_A);
    const event = decoder.decode(record(body, "big"));
    expect(event.pfns).toEqual(Uint32Array.of(5, 0xffff_ffff));
    expect(event.types).toEqual(Uint8Array.of(0, 15));
    const head = encoder.encodeHead(event);
    expect(head).toEqual(join(hex("00000001 00001018"), body.subarray(0, 24)));
  });

  test("reserved bits are ignored and told", () => {
    const words = hex("0100000000000000 020000000000f00f 030000000000f0ff");
    const body = join(hex("03000000 07000000"), words, PAGE_A, PAGE_B);
    const event = decoder.decode(record(body));
    expect(event.pfns).toEqual(Uint32Array.of(1, 2, 3));
    expect(event.types).toEqual(Uint8Array.of(0, 0, 15));
    expect(event.reserved).toBe(7);
    expect(event.reservedWordIndex).toBe(1);
  });

  test("more pages than one call of an engine takes", () => {
    const count = 16_384 * 2 + 5;
    const pfns = Uint32Array.from({ length: count }, (_, index) => index * 3);
    const types = Uint8Array.from({ length: count }, (_, index) => (index === 20_000 ? 0 : 15));
    const head = encoder.encodeHead({ pfns, types }).slice();
    const words = [...pfns].map((pfn, at) => BigInt(pfn) | (BigInt(types[at]!) << 60n));
    const { u32, u64 } = octetsIn("little");
    const expected = join(u32(1, 8 + 8 * count + 4096, count, 0), u64(...words));
    expect(Buffer.compare(head, expected)).toBe(0);
    const event = decoder.decode(record(join(head.subarray(8), PAGE_A)));
    expect(event.pfns).toEqual(pfns);
    expect(event.types).toEqual(types);
  });

  test.each([
    ["no head", "01000000 000000", "PAGE_DATA_LENGTH"],
    ["no pages", "00000000 00000000", "PAGE_DATA_COUNT"],
    ["fewer words than pages", "02000000 00000000 05000000000000f0", "PAGE_DATA_LENGTH"],
    ["far fewer words", "ffffffff 00000000 05000000000000f0", "PAGE_DATA_LENGTH"],
    ["no data", "01000000 00000000 0500000000000000", "PAGE_DATA_LENGTH"],
    ["data for XTAB", "01000000 00000000 05000000000000f0 00", "PAGE_DATA_LENGTH"],
    ["unknown type", "01000000 00000000 0500000000000050", "PAGE_DATA_TYPE"],
    ["unknown type 8", "01000000 00000000 0500000000000080", "PAGE_DATA_TYPE"],
    ["pfn too high", "01000000 00000000 00000000010000f0", "PAGE_DATA_PFN"],
  ])("%s", (_name, digits, code) => {
    const where = { offset: 1000, layer: "libxc", record: "PAGE_DATA" };
    expect(() => decoder.decode(record(hex(digits)))).toThrow(
      expect.objectContaining({ code, where: expect.objectContaining(where) }),
    );
  });
});
