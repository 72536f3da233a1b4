import { describe, expect, test } from "vitest";
import { indented, printable, renderFields, wrapWords } from "../../src/report/fields.ts";
import { renderHexDump } from "../../src/report/hex-dump.ts";
import { hex, join, text } from "../support/bytes.ts";

const lines = (...all: readonly string[]) => all.join("\n");

describe("renderFields", () => {
  test("single values in columns", () => {
    const fields = { rax: "0x0", rbx: "0xffff", rip: "0x1", ok: true, none: null };
    expect(renderFields(fields, 30)).toBe(
      lines("rax     0x0   rbx  0xffff", "rip     0x1   ok     true", "none      -"),
    );
    expect(renderFields(fields, 10)).toBe(
      lines("rax     0x0", "rbx  0xffff", "rip     0x1", "ok     true", "none      -"),
    );
  });

  test("lists, with equal values counted, wrapped behind their name", () => {
    const fields = {
      regs: ["0x1", "0x1", "0x1", "0x2"],
      none: [],
      long: ["abcdef", "ghijkl", "m"],
    };
    expect(renderFields(fields, 18)).toBe(
      lines("regs: 0x1×3 0x2", "none: none", "long:", "  abcdef ghijkl m"),
    );
  });

  test("alike things as a table, others one by one", () => {
    const timers = [
      { config: "0x1", cmp: "0xff" },
      { config: "0x10", cmp: "0x0" },
    ];
    expect(renderFields({ timers }, 40)).toBe(
      lines("timers:", "     config   cmp", "  0     0x1  0xff", "  1    0x10   0x0"),
    );
    expect(renderFields({ timers: [{ a: 1 }, { b: 2 }] }, 40)).toBe(
      lines("timers:", "  [0]", "    a 1", "  [1]", "    b 2"),
    );
    expect(renderFields({ sections: [{ name: "hpet", bytes: 12 }] }, 40)).toBe(
      lines("sections:", "  name  bytes", "  hpet     12"),
    );
  });

  test("what is nested below its name", () => {
    expect(renderFields({ cpu: { fpu: { fcw: "0x37f" }, rip: "0x1" } }, 40)).toBe(
      lines("cpu:", "  rip 0x1", "  fpu:", "    fcw 0x37f"),
    );
  });

  test("what an image says cannot steer the terminal", () => {
    expect(renderFields({ key: "a\u001b[2Jb\n\u009b" }, 40)).toBe("key a\\x1b[2Jb\\x0a\\x9b");
    expect(printable("grün\u00a0✓")).toBe("grün\\xa0✓");
  });
});

test("words are wrapped, the longest has a line of its own", () => {
  expect(wrapWords(["a", "bb", "cccccccc", "d"], 5)).toEqual(["a bb", "cccccccc", "d"]);
  expect(indented("a\n\nb")).toBe("  a\n\n  b");
});

test("octets, with equal lines left out", () => {
  const bytes = join(text("0123456789abcdef"), new Uint8Array(64), hex("41 00 ff"));
  expect(renderHexDump(bytes, 0x100)).toBe(
    lines(
      "00000100  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66 |0123456789abcdef|",
      "00000110  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00 |................|",
      "*",
      "00000150  41 00 ff                                         |A..|",
      "00000153",
    ),
  );
  expect(renderHexDump(new Uint8Array(0))).toBe("00000000");
});
