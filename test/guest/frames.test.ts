import { describe, expect, test } from "vitest";
import { CONTROL_LINE_BYTES_MAX, FrameReader, payloadBytes } from "../../src/guest/frames.ts";

/** Reads frames whose line is `<bytes>:<name>`. */
function collector() {
  const frames: [string, string][] = [];
  let line = "";
  let payload = new Uint8Array();
  const reader = new FrameReader({
    line: (text) => {
      line = text;
      payload = new Uint8Array(Number(text.split(":")[0]));
      return payload;
    },
    complete: () => {
      frames.push([line, Buffer.from(payload).toString()]);
    },
  });
  return { frames, take: (text: string) => reader.take(Buffer.from(text)) };
}

describe("frames", () => {
  const octets = "3:a\nxyz0:b\n5:c\n1\n2\n30:d\n";
  const expected = [
    ["3:a", "xyz"],
    ["0:b", ""],
    ["5:c", "1\n2\n3"],
    ["0:d", ""],
  ];

  test("arrive all at once", () => {
    const { frames, take } = collector();
    take(octets);
    expect(frames).toEqual(expected);
  });

  test("arrive cut at any place", () => {
    for (let cut = 0; cut <= octets.length; cut += 1) {
      const { frames, take } = collector();
      take(octets.slice(0, cut));
      take(octets.slice(cut));
      expect(frames).toEqual(expected);
    }
  });

  test("arrive octet by octet", () => {
    const { frames, take } = collector();
    for (const octet of octets) {
      take(octet);
    }
    expect(frames).toEqual(expected);
  });

  test("a line without end is refused before it fills memory", () => {
    const { take } = collector();
    take("x".repeat(CONTROL_LINE_BYTES_MAX));
    expect(() => take("x")).toThrow(expect.objectContaining({ code: "GUEST_PROTOCOL" }));
  });
});

describe("announced octets", () => {
  test("none where none are announced", () => {
    expect(payloadBytes(new Map(), 10)).toBe(0);
    expect(payloadBytes(new Map([["bytes", "10"]]), 10)).toBe(10);
  });

  test.each(["11", "-1", "1.5", "", "x", "99999999999"])("%j is refused", (text) => {
    expect(() => payloadBytes(new Map([["bytes", text]]), 10)).toThrow(
      expect.objectContaining({ code: "GUEST_PROTOCOL" }),
    );
  });
});
