import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BufferedSource } from "../../src/transport/buffered-source.ts";
import { type ImageSource, openImage } from "../../src/transport/image-file.ts";
import { join } from "../support/bytes.ts";
import { zstdSamples } from "../support/samples.ts";
import { chunksOf, sourceOf } from "../support/sources.ts";

let folder = "";
const content = Uint8Array.from({ length: 3_000_000 }, (_, at) => at % 251);

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "xenferry-test-"));
  await writeFile(path.join(folder, "plain"), content);
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function readAll(image: ImageSource): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const chunk = await image.some(1_000_000);
    if (chunk === undefined) {
      return join(...chunks);
    }
    chunks.push(chunk.slice());
  }
}

async function* asynchronously(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (const chunk of chunksOf(bytes, () => size)) {
    yield await Promise.resolve(chunk);
  }
}

describe("openImage", () => {
  test("a plain file: in order and at random", async () => {
    const image = await openImage(path.join(folder, "plain"));
    expect(image.compression).toBe("none");
    expect(image.fileBytes).toBe(content.length);
    expect(Buffer.compare(await image.exactly(2_500_000), content.subarray(0, 2_500_000))).toBe(0);
    expect(image.offset).toBe(2_500_000);
    expect(image.fileOffset).toBe(content.length);
    const out = new Uint8Array(1000);
    await image.randomAccess!.readAt(77, out);
    expect(Buffer.compare(out, content.subarray(77, 1077))).toBe(0);
    const beyond = image.randomAccess!.readAt(content.length - 5, out);
    await expect(beyond).rejects.toMatchObject({
      code: "STREAM_TRUNCATED",
      where: { offset: content.length },
    });
    await image.close();
  });

  test("a plain file goes on behind what others took from its descriptor", async () => {
    const image = await openImage(path.join(folder, "plain"));
    await image.exactly(10);
    image.direct!.advance(2_000_000);
    expect(image.offset).toBe(2_000_010);
    expect(Buffer.compare(await image.exactly(100), content.subarray(2_000_010, 2_000_110))).toBe(
      0,
    );
    image.direct!.advance(0);
    expect(Buffer.compare(await readAll(image), content.subarray(2_000_110))).toBe(0);
    image.direct!.advance(-5);
    await expect(image.exactly(6)).rejects.toMatchObject({ where: { offset: content.length } });
    await image.close();
    expect(image.direct).toBeUndefined();
  });

  test("a compressed file, told by its content", async () => {
    const file = fileURLToPath(new URL("../golden/zstd/far-matches.zst", import.meta.url));
    const image = await openImage(file);
    expect(image.compression).toBe("zstd");
    expect(image.randomAccess).toBeUndefined();
    expect(image.direct).toBeUndefined();
    const expected = zstdSamples().get("far-matches")!;
    expect(Buffer.compare(await readAll(image), expected)).toBe(0);
    expect(image.offset).toBe(expected.length);
    expect(image.fileOffset).toBe((await readFile(file)).length);
    await image.close();
  });

  test.each([1, 3, 100_000])("chunks of %i octets, compressed or not", async (size) => {
    const file = await readFile(new URL("../golden/zstd/skippable.zst", import.meta.url));
    const packed = await openImage(asynchronously(file, size));
    const expected = zstdSamples().get("skippable")!;
    expect(Buffer.compare(await readAll(packed), expected)).toBe(0);
    await packed.close();
    const plain = await openImage(asynchronously(expected, size));
    expect(plain.compression).toBe("none");
    expect(plain.fileBytes).toBeUndefined();
    expect(plain.randomAccess).toBeUndefined();
    expect(plain.direct).toBeUndefined();
    expect(Buffer.compare(await readAll(plain), expected)).toBe(0);
    await plain.close();
  });

  test("fewer octets than any magic has", async () => {
    const image = await openImage(asynchronously(Uint8Array.of(1, 2), 1));
    await expect(image.exactly(8)).rejects.toMatchObject({
      code: "STREAM_TRUNCATED",
      where: { offset: 2 },
    });
    await image.close();
  });

  test("no file, no permission to read it, a folder", async () => {
    const missing = openImage(path.join(folder, "missing"));
    const where = { path: path.join(folder, "missing"), errno: "ENOENT" };
    await expect(missing).rejects.toMatchObject({ code: "TRANSPORT_OPEN", where });
    await expect(openImage(folder)).rejects.toMatchObject({
      code: "TRANSPORT_OPEN",
      where: { errno: "EISDIR" },
    });
  });
});

describe("BufferedSource", () => {
  test("counts octets, and says where the input ended", async () => {
    const source = sourceOf(content.subarray(0, 1000), () => 7);
    expect((await source.exactly(0)).length).toBe(0);
    expect(Buffer.compare(await source.exactly(20), content.subarray(0, 20))).toBe(0);
    expect(await source.some(1000)).toEqual(Uint8Array.of(20));
    expect(source.offset).toBe(21);
    await expect(source.exactly(2000)).rejects.toMatchObject({
      code: "STREAM_TRUNCATED",
      where: { offset: 1000 },
    });
    expect(Buffer.compare((await source.some(2000))!, content.subarray(21, 1000))).toBe(0);
    expect(await source.some(1)).toBeUndefined();
  });

  test("a large wish for few octets costs no memory", async () => {
    const before = process.memoryUsage().arrayBuffers;
    const source = sourceOf(content.subarray(0, 100_000), () => 1000);
    await expect(source.exactly(2 ** 31)).rejects.toMatchObject({ code: "STREAM_TRUNCATED" });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024);
  });

  test("closing ends the producer, then what is behind it", async () => {
    const calls: string[] = [];
    async function* produce(): AsyncGenerator<Uint8Array> {
      try {
        yield await Promise.resolve(Uint8Array.of(1, 2, 3));
        yield Uint8Array.of(4);
      } finally {
        calls.push("producer");
      }
    }
    const source = new BufferedSource(produce(), async () => {
      calls.push(await Promise.resolve("closed"));
    });
    await source.exactly(1);
    await source.close();
    expect(calls).toEqual(["producer", "closed"]);
  });
});
