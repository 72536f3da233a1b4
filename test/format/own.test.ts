import { describe, expect, it } from "vitest";
import {
  decodeAnswer,
  decodeHello,
  decodeIterationEnd,
  decodeOffer,
  encodeAnswer,
  encodeHello,
  encodeIterationEnd,
  encodeOffer,
  OWN_RECORD,
} from "../../src/format/own.ts";

const TOKEN = Uint8Array.from({ length: 16 }, (_, index) => 0xa0 + index);
const TOKEN_HEX = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const ascii = (text: string) => hex(Buffer.from(text, "latin1"));

describe("words of our own", () => {
  it("are these octets", () => {
    expect(hex(encodeOffer({ channels: 4, zstd: true }))).toBe("0400000001000000");
    expect(hex(encodeOffer({ channels: 1, zstd: false }))).toBe("0100000000000000");
    expect(hex(encodeIterationEnd({ iteration: 2, channelMask: 0b1011 }))).toBe("020000000b000000");
    expect(hex(encodeAnswer({ channels: 4, zstd: false, token: TOKEN }))).toBe(
      `${ascii("XFanswer")}0400000000000000${TOKEN_HEX}`,
    );
    expect(hex(encodeHello({ channel: 3, token: TOKEN }))).toBe(
      `${ascii("XFhello\n")}0300000000000000${TOKEN_HEX}`,
    );
  });

  it("are read as they were written", () => {
    const answer = { channels: 9, zstd: true, token: TOKEN };
    expect(decodeAnswer(encodeAnswer(answer))).toEqual(answer);
    expect(decodeHello(encodeHello({ channel: 9, token: TOKEN }))).toEqual({
      channel: 9,
      token: TOKEN,
    });
    expect(decodeOffer(encodeOffer({ channels: 9, zstd: true }))).toEqual({
      channels: 9,
      zstd: true,
    });
    const end = { iteration: 7, channelMask: 0x8001 };
    expect(decodeIterationEnd(encodeIterationEnd(end))).toEqual(end);
  });

  it("are not what is shorter, longer or starts otherwise", () => {
    expect(decodeOffer(new Uint8Array(9))).toBeUndefined();
    expect(decodeIterationEnd(new Uint8Array(7))).toBeUndefined();
    expect(decodeAnswer(encodeHello({ channel: 1, token: TOKEN }))).toBeUndefined();
    expect(decodeHello(encodeHello({ channel: 1, token: TOKEN }).subarray(0, 31))).toBeUndefined();
  });
});

describe("records of our own", () => {
  it("are optional where others may meet them", () => {
    const isOptional = (type: number) => type >= 0x8000_0000;
    expect(isOptional(OWN_RECORD.OFFER)).toBe(true);
    expect(isOptional(OWN_RECORD.ITERATION_END)).toBe(true);
    expect(isOptional(OWN_RECORD.PAGE_DATA_ZSTD)).toBe(false);
  });
});
