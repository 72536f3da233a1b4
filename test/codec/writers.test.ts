import { describe, expect, test } from "vitest";
import type { ByteSink } from "../../src/base/io.ts";
import {
  domainHeader,
  encodeDomainHeader,
  encodeImageHeader,
  encodeLibxlHeader,
  encodeXlHeader,
  imageHeader,
  libxlHeader,
  xlHeader,
} from "../../src/codec/headers.ts";
import { encodeRecord } from "../../src/codec/record.ts";
import { StreamWriter } from "../../src/codec/stream-writer.ts";
import { hex, join, text } from "../support/bytes.ts";
import { encodeAll } from "../support/events.ts";
import { plainHeadCodec } from "../support/head-codec.ts";

class MemorySink implements ByteSink {
  bytes = new Uint8Array(0);

  get offset(): number {
    return this.bytes.length;
  }

  write(...chunks: readonly Uint8Array[]): Promise<void> {
    this.bytes = new Uint8Array(Buffer.concat([this.bytes, ...chunks]));
    return Promise.resolve();
  }

  end(): Promise<void> {
    return Promise.resolve();
  }

  abort(): Promise<void> {
    return Promise.resolve();
  }
}

describe("headers", () => {
  test("xl's, with the configuration's final NUL", () => {
    const fields = hex("04030201 03000000 00000000 07000000 03000000 7b7d00");
    const expected = join(text("Xen saved domain, xl format\n \0 \r"), fields);
    expect(encodeXlHeader(xlHeader("{}"))).toEqual(expected);
  });

  test("libxl's", () => {
    expect(encodeLibxlHeader(libxlHeader())).toEqual(hex("4c6962786c466d74 00000002 00000000"));
    expect(libxlHeader(3)).toEqual({ version: 2, options: 3, byteOrder: "big", isConverted: true });
  });

  test("libxc's", () => {
    expect(encodeImageHeader(imageHeader())).toEqual(
      hex("ffffffffffffffff 58454e46 00000003 0000 0000 00000000"),
    );
    const domain = domainHeader(2, 4, 21);
    expect(encodeDomainHeader(domain, "little")).toEqual(
      hex("02000000 0c00 0000 04000000 15000000"),
    );
    expect(encodeDomainHeader(domain, "big")).toEqual(hex("00000002 000c 0000 00000004 00000015"));
  });
});

describe("encodeRecord", () => {
  test.each([
    [0, "00"],
    [1, "00".repeat(7)],
    [7, "00"],
    [8, ""],
    [9, "00".repeat(7)],
  ])("pads a body of %i octets", (length, padding) => {
    const body = new Uint8Array(length).fill(0x5a);
    const expected = join(
      Uint8Array.of(9, 0, 0, 0, length, 0, 0, 0),
      body,
      length === 0 ? new Uint8Array(0) : hex(padding),
    );
    expect(join(...encodeRecord({ type: 9, body }))).toEqual(expected);
  });

  test("keeps optional types and byte order", () => {
    const record = { type: 0x8000_0001, body: text("x"), byteOrder: "big" } as const;
    expect(join(...encodeRecord(record))).toEqual(hex("80000001 00000001 7800000000000000"));
  });

  test("refuses what no reader takes", () => {
    const body = new Uint8Array(128 * 1024 * 1024 + 1);
    expect(() => encodeRecord({ type: 9, body })).toThrow(RangeError);
  });
});

describe("StreamWriter", () => {
  test("writes a stream that is read again", async () => {
    const sink = new MemorySink();
    const writer = new StreamWriter(sink, plainHeadCodec);
    const page = new Uint8Array(4096).fill(7);
    await writer.xlHeader(xlHeader("{}"));
    await writer.libxlHeader(libxlHeader());
    await writer.record({ type: 1, body: new Uint8Array(0) });
    await writer.libxcHeaders(imageHeader(), domainHeader(2, 4, 17));
    await writer.record({ type: 16, body: new Uint8Array(0) });
    await writer.pageData({ pfns: Uint32Array.of(9, 8), types: Uint8Array.of(15, 0) }, page);
    await writer.record({ type: 0, body: new Uint8Array(0) });
    await writer.record({ type: 0, body: new Uint8Array(0) });
    const tail = hex("01000000 18100000 02000000 00000000 09000000000000f0 0800000000000000");
    const at = 55 + 16 + 8 + 40 + 8;
    expect(sink.bytes.subarray(at, at + tail.length)).toEqual(tail);
    expect(sink.bytes.length).toBe(at + tail.length + 4096 + 16);
    expect(Buffer.compare(await encodeAll(sink.bytes), sink.bytes)).toBe(0);
  });
});
