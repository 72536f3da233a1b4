import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { MigrationError } from "../../src/base/errors.ts";
import { decodeDigestFile, digestRoot, encodeDigestFile } from "../../src/codec/digest-file.ts";
import { join, octetsIn, text } from "../support/bytes.ts";

const { u32, u64 } = octetsIn("little");

/** Frames 3, 4 and 5, the last a pinned page table, and one beyond 8 TiB. */
const TABLE = {
  guestType: 1,
  runs: [
    { firstPfn: 3, pageType: 0, frameCount: 2 },
    { firstPfn: 5, pageType: 12, frameCount: 1 },
    { firstPfn: 0x8000_0001, pageType: 0, frameCount: 1 },
  ],
  crcs: Uint32Array.of(0x11, 0xffff_ffff, 0x33, 0x44),
};
const HEAD = join(text("XFDIGEST"), u32(1, 1), u64(4, 3));
const WORDS = [3n, 4n, (12n << 60n) | 5n, 0x8000_0001n];
const ROOT = createHash("sha256")
  .update(HEAD)
  .update(join(...WORDS.map((word, index) => join(u64(word), u32(TABLE.crcs[index]!)))))
  .digest();
const FILE = join(HEAD, ROOT, u64(3, 2, (12n << 60n) | 5n, 1, 0x8000_0001, 1), u32(...TABLE.crcs));

function codeOf(bytes: Uint8Array): string | undefined {
  try {
    decodeDigestFile(bytes);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(MigrationError);
    return (error as MigrationError).code;
  }
}

/** The file with one word of 64 bits changed. */
function changed(offset: number, value: bigint | number): Uint8Array {
  const bytes = FILE.slice();
  bytes.set(u64(value), offset);
  return bytes;
}

describe("a digest's file", () => {
  test("is what its description says", () => {
    expect(digestRoot(TABLE)).toBe(ROOT.toString("hex"));
    expect(join(...encodeDigestFile(TABLE))).toEqual(FILE);
    expect(decodeDigestFile(FILE)).toEqual(TABLE);
  });

  test("of no memory", () => {
    const none = { guestType: 2, runs: [], crcs: new Uint32Array(0) };
    const bytes = join(...encodeDigestFile(none));
    expect(bytes).toHaveLength(64);
    expect(decodeDigestFile(bytes)).toEqual(none);
  });

  test("any changed bit is noticed", () => {
    for (let bit = 0; bit < FILE.length * 8; bit++) {
      const bytes = FILE.slice();
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      const expected = bit < 64 ? "DIGEST_NOT" : bit < 96 ? "DIGEST_VERSION" : "DIGEST_DAMAGED";
      expect(codeOf(bytes), `bit ${bit}`).toBe(expected);
    }
  });

  test("any cut is noticed", () => {
    for (let length = 0; length < FILE.length; length++) {
      expect(codeOf(FILE.subarray(0, length))).toBe(length < 64 ? "DIGEST_NOT" : "DIGEST_DAMAGED");
    }
    expect(codeOf(join(FILE, u32(0)))).toBe("DIGEST_DAMAGED");
  });

  test.each([
    ["more frames than a file can have", 16, 2n ** 64n - 1n],
    ["more runs than a file can have", 24, 2n ** 62n],
    ["a run without a frame", 72, 0],
    ["a run beyond the highest frame", 96, 0xffff_ffff_fn],
    ["runs that fall", 96, 2],
    ["runs that overlap", 64 + 16, (12n << 60n) | 4n],
    ["a type without memory", 64, (13n << 60n) | 3n],
    ["a type that is reserved", 64, (5n << 60n) | 3n],
  ])("%s: damaged", (_, offset, value) => {
    expect(codeOf(changed(offset, value))).toBe("DIGEST_DAMAGED");
  });
});
