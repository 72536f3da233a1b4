import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { MigrationError } from "../../src/base/errors.ts";
import { Xxh64 } from "../../src/transport/xxh64.ts";
import { decompressZstd, isZstd } from "../../src/transport/zstd.ts";
import { hex, join, text } from "../support/bytes.ts";
import { zstdSamples } from "../support/samples.ts";
import { sourceOf } from "../support/sources.ts";
import { seededRandom } from "../support/splitmix32.ts";

const samples = [...zstdSamples()];

function compressed(name: string): Uint8Array {
  return readFileSync(fileURLToPath(new URL(`../golden/zstd/${name}.zst`, import.meta.url)));
}

async function decompress(bytes: Uint8Array, nextSize?: () => number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of decompressZstd(sourceOf(bytes, nextSize))) {
    expect(chunk.length).toBeLessThanOrEqual(128 * 1024);
    chunks.push(chunk.slice());
  }
  return join(...chunks);
}

async function failure(bytes: Uint8Array): Promise<MigrationError> {
  const error = await decompress(bytes).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MigrationError);
  return error as MigrationError;
}

describe("files of the zstd program", () => {
  test.each(samples)("%s", async (name, content) => {
    const bytes = compressed(name);
    expect(isZstd(bytes)).toBe(true);
    expect(Buffer.compare(await decompress(bytes), content)).toBe(0);
  });

  test("in chunks of one octet and of random sizes", async () => {
    const [name, content] = samples.find(([own]) => own === "skippable")!;
    const random = seededRandom(5);
    expect(Buffer.compare(await decompress(compressed(name), () => 1), content)).toBe(0);
    const sizes = () => random.below(700);
    expect(Buffer.compare(await decompress(compressed(name), sizes), content)).toBe(0);
  });
});

/** A frame with an 8 KiB window, no size, no checksum, around hand-written blocks. */
function frame(...blocks: readonly string[]): Uint8Array {
  return hex(`28b52ffd 00 18 ${blocks.join(" ")}`);
}

describe("hand-written frames", () => {
  test("raw and repeated blocks", async () => {
    // Raw, not last: size 3 -> 3 << 3 = 0x18. Repeated, last: size 5, type 1 -> 5 << 3 | 3 = 0x2b.
    expect(await decompress(frame("180000 616263", "2b0000 7a"))).toEqual(text("abczzzzz"));
  });

  test("an empty last block", async () => {
    expect(await decompress(frame("180000 616263", "010000"))).toEqual(text("abc"));
  });

  test("a compressed block of raw literals without sequences", async () => {
    // Last, type 2, 5 octets: 5 << 3 | 5 = 0x2d. Literals raw, 3 of them: 0x18. Sequences: 0.
    expect(await decompress(frame("2d0000 18 616263 00"))).toEqual(text("abc"));
  });

  test.each([
    ["reserved bit", "28b52ffd 08 18 010000", "STREAM_COMPRESSION"],
    ["dictionary", "28b52ffd 01 18 07 010000", "STREAM_COMPRESSION"],
    ["reserved block type", "28b52ffd 00 18 070000", "STREAM_COMPRESSION"],
    ["block longer than its window", "28b52ffd 00 00 2b2000 7a", "STREAM_COMPRESSION"],
    ["window over the limit", "28b52ffd 00 90 010000", "STREAM_COMPRESSION"],
    ["single segment over the limit", "28b52ffd a0 01000008 010000", "STREAM_COMPRESSION"],
    ["wrong content size", "28b52ffd 20 04 190000 616263", "STREAM_COMPRESSION"],
    ["wrong checksum", "28b52ffd 04 18 190000 616263 00000000", "STREAM_COMPRESSION"],
    ["garbage after a frame", "28b52ffd 00 18 010000 01020304", "STREAM_COMPRESSION"],
    ["treeless literals at first", "28b52ffd 00 18 2d0000 4300000000", "STREAM_COMPRESSION"],
    ["end in the magic", "28b52f", "STREAM_TRUNCATED"],
    ["end in a block", "28b52ffd 00 18 180000 6162", "STREAM_TRUNCATED"],
    ["end in a skippable frame", "502a4d18 04000000 00", "STREAM_TRUNCATED"],
  ])("%s", async (_name, digits, code) => {
    expect((await failure(hex(digits))).code).toBe(code);
  });

  test("an error says where in both streams", async () => {
    const { where } = await failure(frame("180000 616263", "070000"));
    expect(where).toMatchObject({ offset: 3, compressedOffset: 15 });
    const truncated = await failure(frame("180000 616263", "180000 61"));
    expect(truncated.where).toEqual({ offset: 3, compressedOffset: 16 });
  });

  test("a header's claim costs no memory", async () => {
    const before = process.memoryUsage().arrayBuffers;
    // A window of 128 MiB around three octets.
    await decompress(hex("28b52ffd 00 88 190000 616263"));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
  });
});

describe("damaged files", () => {
  test("cut anywhere, they are truncated", async () => {
    const bytes = compressed("skippable");
    const frameEnds = new Set([0, 17, bytes.length - 17]);
    for (let end = 0; end < bytes.length; end++) {
      if (!frameEnds.has(end)) {
        const { code, where } = await failure(bytes.subarray(0, end));
        expect(code, `cut at ${end}`).toBe("STREAM_TRUNCATED");
        expect(where).toMatchObject({ compressedOffset: end });
      }
    }
  });

  test.each(["text-fast", "text-best", "far-matches", "noise"])(
    "%s with flipped bits never gives other content",
    async (name) => {
      const content = new Map(samples).get(name)!;
      const random = seededRandom(77);
      for (let run = 0; run < 12; run++) {
        const bytes = Uint8Array.from(compressed(name));
        const at = 9 + random.below(bytes.length - 9);
        bytes[at] = bytes[at]! ^ (1 << random.below(8));
        const result = await decompress(bytes).catch((error: unknown) => error);
        if (result instanceof Uint8Array) {
          expect(Buffer.compare(result, content), `flip at ${at}`).toBe(0);
        } else {
          expect(result).toBeInstanceOf(MigrationError);
        }
      }
    },
  );
});

describe("XXH64", () => {
  // Vectors of the reference implementation, seed 0.
  test.each([
    ["", 0xef46db3751d8e999n],
    ["a", 0xd24ec4f1a98c6e5bn],
    ["abc", 0x44bc2cf5ad770999n],
    ["Nobody inspects the spammish repetition", 0xfbcea83c8a378bf1n],
  ])("%j", (input, expected) => {
    const hash = new Xxh64();
    hash.update(text(input));
    expect(hash.digest()).toBe(expected);
  });

  test("does not depend on how the octets come", () => {
    const whole = new Xxh64();
    const pieces = new Xxh64();
    const bytes = Uint8Array.from({ length: 1000 }, (_, at) => at * 31);
    whole.update(bytes);
    for (let at = 0; at < bytes.length; at += 37) {
      pieces.update(bytes.subarray(at, at + 37));
    }
    expect(pieces.digest()).toBe(whole.digest());
  });
});
