import { describe, expect, test } from "vitest";
import { jsonPlaces, jsonText, withJsonValue } from "../../src/codec/json-text.ts";
import { join } from "../support/bytes.ts";

const octets = (text: string) => new Uint8Array(Buffer.from(text, "utf8"));
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8");

/** Places by their paths, with what stands there. */
function found(text: string): readonly (readonly [path: string, kind: string, source: string])[] {
  return jsonPlaces(octets(text)).map(({ path, kind, start, end }) => [
    path,
    kind,
    textOf(octets(text).subarray(start, end)),
  ]);
}

function set(text: string, path: string, value: string): string {
  const place = jsonPlaces(octets(text)).find((one) => one.path === path)!;
  return textOf(withJsonValue(octets(text), place, value));
}

describe("jsonPlaces", () => {
  test("all values, whatever stands between them", () => {
    expect(
      found(' {"a" : [ 1,-2.5e+3 , {}],\n "b\\"c": {"d": "e\\\\", "f":null}, "ü": true} '),
    ).toEqual([
      ["", "object", '{"a" : [ 1,-2.5e+3 , {}],\n "b\\"c": {"d": "e\\\\", "f":null}, "ü": true}'],
      ["a", "array", "[ 1,-2.5e+3 , {}]"],
      ["a[0]", "number", "1"],
      ["a[1]", "number", "-2.5e+3"],
      ["a[2]", "object", "{}"],
      ['b"c', "object", '{"d": "e\\\\", "f":null}'],
      ['b"c.d', "string", '"e\\\\"'],
      ['b"c.f', "literal", "null"],
      ["ü", "literal", "true"],
    ]);
    expect(found("7")).toEqual([["", "number", "7"]]);
  });

  test.each(["", "{", '{"a":}', "[1,]", "name = 'x'", "{} {}", '{"a":"b'])(
    "%j is no JSON and has none",
    (text) => {
      expect(found(text)).toEqual([]);
    },
  );

  test("what is nested too deep, or too much, has none", () => {
    expect(found("[".repeat(100) + "]".repeat(100))).toHaveLength(100);
    expect(found("[".repeat(101) + "]".repeat(101))).toEqual([]);
    expect(found("[".repeat(500_000) + "]".repeat(500_000))).toEqual([]);
    expect(found(`[${"1,".repeat(65_534)}1]`)).toHaveLength(65_536);
    expect(found(`[${"1,".repeat(65_535)}1]`)).toEqual([]);
    expect(found(`["${"x".repeat(5_000_000)}"]`)).toHaveLength(2);
  });
});

describe("withJsonValue", () => {
  const text = '{ "name": "a\\/b", "n": 12345678901234567890, "on": true, "no": null, "l": [ 1 ] }';

  test("replaces one value and no other octet", () => {
    expect(set(text, "name", 'c"ü')).toBe(text.replace('"a\\/b"', '"c\\"ü"'));
    expect(set(text, "n", "-3")).toBe(text.replace("12345678901234567890", "-3"));
    expect(set(text, "n", "0x10")).toBe(text.replace("12345678901234567890", "16"));
    expect(set(text, "on", "false")).toBe(text.replace("true", "false"));
    expect(set(text, "no", '{"x": 1}')).toBe(text.replace("null", '{"x": 1}'));
    expect(set(text, "l", "[]")).toBe(text.replace("[ 1 ]", "[]"));
  });

  test("the value that is there leaves all as it is", () => {
    const odd = join(octets('{"a\\u0041": "\\u00e9", "b": "'), Uint8Array.of(0xff), octets('" }'));
    for (const bytes of [octets(text), odd, octets('{"e": { }, "f": [\n]}')]) {
      for (const place of jsonPlaces(bytes)) {
        expect(withJsonValue(bytes, place, jsonText(bytes, place))).toBe(bytes);
      }
    }
  });

  test.each([
    ["n", "one"],
    ["n", "1 2"],
    ["n", ""],
    ["on", "True"],
    ["no", "nothing"],
    ["l", "{}"],
    ["l", "[1"],
    ["", "[]"],
  ])("%j cannot be %j", (path, value) => {
    expect(() => set(text, path, value)).toThrow(expect.objectContaining({ code: "FIELD_VALUE" }));
  });
});
