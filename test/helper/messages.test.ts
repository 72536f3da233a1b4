import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import {
  callbackMask,
  decodeAnswer,
  encodeMessage,
  MESSAGES,
  type MessageName,
  messageNumber,
  STRING_BYTES_MAX,
} from "../../src/helper/messages.ts";
import { RECORDED, readTrace, recordedTrace, type TraceLine } from "../support/helper-trace.ts";
import { NO_SHARED, sharedFolder } from "../support/shared.ts";
import { XEN_GENERATORS, XEN_MESSAGES } from "./xen-messages.ts";

const hexOf = (octets: Uint8Array) => Buffer.from(octets).toString("hex");

/** Encodes what the trace says in words. */
function encodeRecorded(line: Extract<TraceLine, { kind: "message" }>): Uint8Array {
  const name = line.name as MessageName;
  const kinds: readonly string[] = MESSAGES[messageNumber(name) - 1]!.arguments;
  const values = line.values.map((value, index) =>
    kinds[index] === "u64" ? BigInt(value) : value,
  );
  return encodeMessage(name, values as never);
}

function expectEncodingOf(lines: readonly TraceLine[]): void {
  for (const line of lines) {
    if (line.kind === "answer") {
      expect(decodeAnswer(Buffer.from(line.hex, "hex"))).toBe(line.value);
    } else if (line.hex !== undefined) {
      expect(messageNumber(line.name as MessageName)).toBe(line.number);
      expect(hexOf(encodeRecorded(line))).toBe(line.hex);
    }
  }
}

describe("the message table", () => {
  test("is libxl's", () => {
    const expected = XEN_MESSAGES.map(([flags, name, ...types]) => ({
      name,
      arguments: types.map((type) => KIND_OF_TYPE[type]),
      isAnswered: /[WA]/.test(flags),
      isOffered: flags.includes("x"),
    }));
    expect(MESSAGES).toEqual(expected);
  });

  test("gives the bits that were captured", () => {
    expect(callbackMask("suspend") + callbackMask("switch_qemu_logdirty")).toBe(136);
    expect(callbackMask("static_data_done") + callbackMask("restore_results")).toBe(768);
  });

  const { XENFERRY_XEN_REPOSITORY: repository } = process.env;
  test.for(XEN_GENERATORS)("is that of Xen $branch", ({ branch, file }, context) => {
    context.skip(repository === undefined, "XENFERRY_XEN_REPOSITORY names no clone of Xen");
    const show = ["-C", repository ?? "", "show", `stable-${branch}:${file}`];
    expect(messagesOf(execFileSync("git", show, { encoding: "utf8" }))).toEqual(XEN_MESSAGES);
  });
});

/** On the 64-bit systems that Xen's tools run on. */
const KIND_OF_TYPE: Readonly<Record<string, string>> = {
  STRING: "string",
  int: "i32",
  uint32_t: "u32",
  unsigned: "u32",
  "unsigned long": "u64",
  xen_pfn_t: "u64",
};

/** Flags, name and argument types out of the generator's table, which is Perl. */
function messagesOf(generator: string): readonly (readonly string[])[] {
  const table = /our @msgs = \(\n([\s\S]*?)\n\);/.exec(generator)?.[1] ?? "";
  const entries = table.matchAll(/^ {4}\[ '(\w+)',\s+"(\w+)",\s*\[([\s\S]*?)\] \],$/gm);
  return [...entries].map(([, flags, name, list]) => {
    const words = list!.replace(/qw\(([^)]*)\)/g, (_, plain: string) => quoted(plain));
    const pairs = [...words.matchAll(/'([^']*)'/g)].map(([, word]) => word!);
    return [flags!, name!, ...pairs.filter((_, index) => index % 2 === 0)];
  });
}

function quoted(plain: string): string {
  return plain
    .trim()
    .split(/\s+/)
    .map((word) => `'${word}'`)
    .join(", ");
}

describe("the octets of messages", () => {
  test.each(RECORDED)("are those of a recorded %s", (name) => {
    const lines = recordedTrace(name);
    expect(lines.length).toBeGreaterThan(10);
    expectEncodingOf(lines);
  });

  const shared = sharedFolder();
  const folder = path.join(shared ?? "", "streams");
  test("are those of all recorded conversations", (context) => {
    context.skip(shared === undefined, NO_SHARED);
    const traces = readdirSync(folder).filter((name) => /\.helper-\w+\.txt$/.test(name));
    expect(traces.length).toBeGreaterThan(10);
    for (const trace of traces) {
      expectEncodingOf(readTrace(path.join(folder, trace)));
    }
  });

  test("count strings in octets, with their NUL", () => {
    const octets = encodeMessage("log", [8, 2, "xc", "für\0nichts"]);
    expect(hexOf(octets)).toBe(
      "1a000100" + "08000000" + "02000000" + "03000000786300" + "0500000066c3bc7200",
    );
  });

  test("cut long strings between two characters", () => {
    const octets = encodeMessage("log", [1, 0, "", `x${"ü".repeat(STRING_BYTES_MAX)}`]);
    const text = Buffer.from(octets.subarray(4 + 8 + 5 + 4, -1)).toString("utf8");
    expect(text).toBe(`x${"ü".repeat(STRING_BYTES_MAX / 2 - 1)}`);
    expect(octets.at(-1)).toBe(0);
  });

  test("hold the largest numbers", () => {
    expect(hexOf(encodeMessage("restore_results", [2n ** 64n - 1n, 1n]))).toBe(
      "12000900ffffffffffffffff0100000000000000",
    );
    expect(hexOf(encodeMessage("complete", [-1, 28]))).toBe("0a000a00ffffffff1c000000");
    expect(decodeAnswer(Buffer.from("feffffff", "hex"))).toBe(-2);
  });
});
