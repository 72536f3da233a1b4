import { PassThrough, Readable, Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { ReadableSource } from "../../src/transport/readable-source.ts";
import { WritableSink } from "../../src/transport/writable-sink.ts";

function sourceOf(...chunks: readonly string[]): ReadableSource {
  return new ReadableSource(Readable.from(chunks.map((text) => Buffer.from(text))));
}

const text = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString();

describe("ReadableSource", () => {
  it("joins chunks and splits them at will, counting octets", async () => {
    const source = sourceOf("ab", "cdef", "g");
    expect(text(await source.exactly(3))).toBe("abc");
    expect(text(await source.exactly(0))).toBe("");
    expect(text(await source.exactly(1))).toBe("d");
    expect(text(await source.exactly(3))).toBe("efg");
    expect(source.offset).toBe(7);
  });

  it("hands out what there is with `some`, then says that it is over", async () => {
    const source = sourceOf("abc");
    expect(text(await source.some(2))).toBe("ab");
    expect(text(await source.some(9))).toBe("c");
    expect(await source.some(9)).toBeUndefined();
  });

  it("says where a stream was cut", async () => {
    const source = sourceOf("abcde");
    await source.exactly(2);
    await expect(source.exactly(4)).rejects.toMatchObject({
      code: "STREAM_TRUNCATED",
      where: { offset: 5, wantedBytes: 4, gotBytes: 3 },
    });
  });

  it("keeps the cause of a broken stream", async () => {
    const stream = new PassThrough();
    const source = new ReadableSource(stream);
    const pending = source.exactly(1);
    stream.destroy(new Error("reset by peer"));
    await expect(pending).rejects.toMatchObject({
      code: "TRANSPORT_LOST",
      cause: { message: "reset by peer" },
    });
  });

  it("stops the stream while nobody reads, and lets it go on", async () => {
    const stream = new PassThrough({ highWaterMark: 1 << 20 });
    const source = new ReadableSource(stream);
    const megabyte = Buffer.alloc(1 << 20, 7);
    for (let sent = 0; sent < 20; sent++) {
      stream.write(megabyte);
    }
    await source.exactly(1);
    expect(stream.isPaused()).toBe(true);
    const rest = await source.exactly(20 * megabyte.length - 1);
    expect(rest.every((byte) => byte === 7)).toBe(true);
  });
});

describe("WritableSink", () => {
  it("writes chunks in order and counts them", async () => {
    const parts: Buffer[] = [];
    const stream = new Writable({
      write: (chunk, _encoding, done) => {
        parts.push(chunk);
        done();
      },
    });
    const sink = new WritableSink(stream);
    await sink.write(Buffer.from("ab"), Buffer.from("c"));
    await sink.write();
    await sink.write(Buffer.from("d"));
    await sink.end();
    expect(Buffer.concat(parts).toString()).toBe("abcd");
    expect(sink.offset).toBe(4);
  });

  it("fails with the cause, at once and ever after", async () => {
    const stream = new Writable({ write: (_chunk, _encoding, done) => done(new Error("full")) });
    const sink = new WritableSink(stream);
    await expect(sink.write(Buffer.from("a"))).rejects.toMatchObject({ code: "TRANSPORT_LOST" });
    await expect(sink.write(Buffer.from("b"))).rejects.toMatchObject({
      code: "TRANSPORT_LOST",
      cause: { message: "full" },
    });
  });
});
