import { describe, expect, test } from "vitest";
import type { StreamEvent } from "../../src/codec/events.ts";
import { detectLayer } from "../../src/codec/stream-reader.ts";
import { hex, join, text } from "../support/bytes.ts";
import { collectEvents, pushEvents } from "../support/events.ts";

/** Everything written out: no helper that knows the format. */
const IMAGE_HEADER = hex("ffffffffffffffff 58454e46 00000003 0000 0000 00000000");
const DOMAIN_HEADER = hex("02000000 0c00 0000 04000000 11000000");
const STATIC_DATA_END = hex("10000000 00000000");
const END = hex("00000000 00000000");
const LIBXL_HEADER = hex("4c6962786c466d74 00000002 00000000");
const LIBXC_CONTEXT = hex("01000000 00000000");
const XL_FIELDS = hex("04030201 03000000 00000000 07000000 03000000 7b7d00");
const XL_HEADER = join(text("Xen saved domain, xl format\n \0 \r"), XL_FIELDS);

const LIBXC = join(IMAGE_HEADER, DOMAIN_HEADER, STATIC_DATA_END, END);

async function failureOf(bytes: Uint8Array, purpose: "restore" | "inspect" = "restore") {
  return await collectEvents(bytes, { purpose }).then(
    () => "no error",
    (error: { code: string; where: object }) => ({ code: error.code, where: error.where }),
  );
}

function kinds(events: readonly StreamEvent[]): readonly string[] {
  return events.map((event) =>
    event.kind === "record" ? `${event.layer} ${event.name ?? event.type}` : event.kind,
  );
}

describe("the three layers", () => {
  test("libxc alone", async () => {
    const events = await collectEvents(LIBXC);
    expect(events).toEqual([
      {
        kind: "image-header",
        offset: 0,
        header: { version: 3, options: 0, byteOrder: "little", reserved: [0, 0] },
      },
      {
        kind: "domain-header",
        offset: 24,
        byteOrder: "little",
        header: { guestType: 2, pageShift: 12, reserved: 0, xenMajor: 4, xenMinor: 17 },
      },
      expect.objectContaining({ kind: "record", name: "STATIC_DATA_END", offset: 40 }),
      expect.objectContaining({ kind: "record", name: "END", offset: 48 }),
      { kind: "end", offset: 56 },
    ]);
  });

  test("libxl around it", async () => {
    const bytes = join(LIBXL_HEADER, LIBXC_CONTEXT, LIBXC, END);
    const events = await collectEvents(bytes);
    expect(events[0]).toEqual({
      kind: "libxl-header",
      offset: 0,
      header: { version: 2, options: 0, byteOrder: "little", isConverted: false },
    });
    expect(kinds(events).slice(1)).toEqual([
      "libxl LIBXC_CONTEXT",
      "layer",
      "image-header",
      "domain-header",
      "libxc STATIC_DATA_END",
      "libxc END",
      "layer",
      "libxl END",
      "end",
    ]);
  });

  test("xl around that", async () => {
    const bytes = join(XL_HEADER, LIBXL_HEADER, LIBXC_CONTEXT, LIBXC, END);
    const [first] = await collectEvents(bytes);
    expect(first).toEqual({
      kind: "xl-header",
      offset: 0,
      header: {
        byteOrder: "little",
        mandatoryFlags: 3,
        optionalFlags: 0,
        optionalData: hex("03000000 7b7d00"),
        config: hex("7b7d00"),
      },
    });
  });

  test("big-endian in all layers", async () => {
    const xl = hex("01020304 00000003 00000000 00000007 00000003 7b7d00");
    const bytes = join(
      text("Xen saved domain, xl format\n \0 \r"),
      xl,
      hex("4c6962786c466d74 00000002 00000001 0000000100000000"),
      hex("ffffffffffffffff 58454e46 00000003 0001 0000 00000000"),
      hex("00000001 000c 0000 00000004 00000011"),
      hex("0000000200000008 0804000000000000 0000000000000000 0000000000000000"),
    );
    const events = await collectEvents(bytes, { purpose: "inspect" });
    const named = events.filter(({ kind }) => kind !== "fault" && kind !== "layer");
    expect(kinds(named)).toEqual([
      "xl-header",
      "libxl-header",
      "libxl LIBXC_CONTEXT",
      "image-header",
      "domain-header",
      "libxc X86_PV_INFO",
      "libxc END",
      "libxl END",
      "end",
    ]);
    expect(events.find(({ kind }) => kind === "domain-header")).toMatchObject({
      byteOrder: "big",
      header: { guestType: 1, pageShift: 12, xenMajor: 4, xenMinor: 17 },
    });
    expect(await failureOf(bytes)).toEqual({
      code: "STREAM_BIG_ENDIAN",
      where: { offset: 32, layer: "xl" },
    });
  });

  test("are told apart by eight octets", () => {
    expect(detectLayer(text("Xen save"))).toBe("xl");
    expect(detectLayer(text("LibxlFmt"))).toBe("libxl");
    expect(detectLayer(hex("ffffffffffffffff"))).toBe("libxc");
    expect(detectLayer(text("QEMU VMs"))).toBeUndefined();
  });

  test.each([
    ["a 64-bit toolstack's", "00f0 0f00 0000 0000", "legacy"],
    ["a 32-bit toolstack's, PV", "0004 0000 ffff ffff", "legacy"],
    ["a 32-bit toolstack's, a batch", "00f0 0f00 0004 0000", "legacy"],
    ["a 32-bit toolstack's, a chunk", "00f0 0f00 f9ff ffff", "legacy"],
    ["xend's", "4c69 6e75 7847 7565", "legacy"],
    ["nothing", "0000 0000 0000 0000", undefined],
    ["more frames than there can be", "0100 0010 0000 0000", undefined],
    ["a batch too large", "00f0 0f00 0104 0000", undefined],
    ["a chunk of no kind", "00f0 0f00 eaff ffff", undefined],
  ])("from legacy streams, too: %s", (_, octets, layer) => {
    expect(detectLayer(hex(octets))).toBe(layer);
  });
});

/** Each: what is changed, and the code and place of the error. */
const DAMAGED: readonly (readonly [string, Uint8Array, string, object])[] = [
  ["no image", text("something else"), "STREAM_NOT_AN_IMAGE", { offset: 0 }],
  ["wrong magic", patch(XL_HEADER, 20, 0x21), "STREAM_NOT_AN_IMAGE", { offset: 0 }],
  ["xl's byte order", patch(XL_HEADER, 32, 9), "STREAM_XL_BYTE_ORDER", { offset: 32 }],
  ["xl's unknown flag", patch(XL_HEADER, 36, 7), "STREAM_XL_FLAGS", { mandatoryFlags: 7 }],
  ["not a v2 stream", patch(XL_HEADER, 36, 1), "STREAM_LEGACY", { offset: 36 }],
  ["config too long", patch(XL_HEADER, 48, 4), "STREAM_XL_OPTIONAL_DATA", { offset: 48 }],
  ["optional data too long", patch(XL_HEADER, 47, 2), "STREAM_XL_OPTIONAL_DATA", { offset: 44 }],
  ["libxl's version", patch(LIBXL_HEADER, 11, 3), "STREAM_VERSION", { offset: 8, version: 3 }],
  ["libxl's byte order", patch(LIBXL_HEADER, 15, 1), "STREAM_BIG_ENDIAN", { layer: "libxl" }],
  ["image id", patch(LIBXC, 8, 0), "STREAM_IDENT", { offset: 8, field: "id" }],
  ["image version 1", patch(LIBXC, 15, 1), "STREAM_VERSION", { offset: 12, version: 1 }],
  ["image version 4", patch(LIBXC, 15, 4), "STREAM_VERSION", { offset: 12, version: 4 }],
  ["image byte order", patch(LIBXC, 17, 1), "STREAM_BIG_ENDIAN", { layer: "libxc" }],
  ["guest type", patch(LIBXC, 24, 3), "STREAM_GUEST_TYPE", { offset: 24, guestType: 3 }],
  ["page shift", patch(LIBXC, 28, 13), "STREAM_PAGE_SHIFT", { offset: 28, pageShift: 13 }],
  ["unknown record", patch(LIBXC, 40, 0x13), "RECORD_UNKNOWN", { offset: 40, record: "0x13" }],
  ["no libxl", join(XL_HEADER, LIBXC), "STREAM_IDENT", { offset: 55, layer: "libxl" }],
  [
    "no libxc",
    join(LIBXL_HEADER, LIBXC_CONTEXT, END),
    "STREAM_IDENT",
    { offset: 24, layer: "libxc", field: "marker" },
  ],
  [
    "record over the limit",
    join(LIBXC.subarray(0, 40), hex("09000000 01000008")),
    "RECORD_TOO_LONG",
    { offset: 40, record: "HVM_CONTEXT", bodyBytes: 0x8000001 },
  ],
  [
    "libxl record over the limit",
    join(LIBXL_HEADER, hex("03000000 ffffffff")),
    "RECORD_TOO_LONG",
    { offset: 16, layer: "libxl", record: "EMULATOR_CONTEXT" },
  ],
  [
    "unknown libxl record",
    join(LIBXL_HEADER, hex("06000000 00000000")),
    "RECORD_UNKNOWN",
    { offset: 16, layer: "libxl", record: "0x6" },
  ],
];

function patch(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const patched = bytes.slice();
  patched[at] = value;
  return patched;
}

describe("what restoring refuses", () => {
  test.each(DAMAGED)("%s", async (_name, bytes, code, where) => {
    const error = await failureOf(bytes);
    expect(error).toMatchObject({ code, where });
    expect(() => pushEvents(bytes)).toThrow(expect.objectContaining({ code }));
  });

  test("inspecting reads on where it can", async () => {
    const flags = join(patch(XL_HEADER, 36, 7), LIBXL_HEADER, LIBXC_CONTEXT, LIBXC, END);
    const events = await collectEvents(flags, { purpose: "inspect" });
    expect(events[0]).toMatchObject({ kind: "fault", error: { code: "STREAM_XL_FLAGS" } });
    expect(events.at(-1)).toEqual({ kind: "end", offset: flags.length });
    const unknown = await collectEvents(patch(LIBXC, 40, 0x13), { purpose: "inspect" });
    expect(kinds(unknown)).toEqual([
      "image-header",
      "domain-header",
      "fault",
      "libxc 19",
      "libxc END",
      "end",
    ]);
  });
});

describe("records", () => {
  test("with bodies and padding, which restoring ignores", async () => {
    const record = hex("0b000000 03000000 616263 0102030405");
    const bytes = join(LIBXC.subarray(0, 48), record, END);
    const events = await collectEvents(bytes);
    expect(events[3]).toEqual({
      kind: "record",
      layer: "libxc",
      offset: 48,
      type: 11,
      name: "TOOLSTACK",
      isOptional: false,
      isInferred: false,
      byteOrder: "little",
      body: text("abc"),
      padding: hex("0102030405"),
    });
  });

  test("unknown optional ones are kept", async () => {
    const bytes = join(LIBXC.subarray(0, 48), hex("01000080 00000000"), END);
    expect((await collectEvents(bytes))[3]).toMatchObject({
      type: 0x8000_0001,
      name: undefined,
      isOptional: true,
    });
  });

  test("version 2 has its STATIC_DATA_END inferred before memory, once", async () => {
    const pageData = hex("01000000 10000000 01000000 00000000 05000000000000f0");
    const bytes = join(patch(LIBXC, 15, 2).subarray(0, 40), pageData, pageData, END);
    const events = await collectEvents(bytes);
    expect(kinds(events)).toEqual([
      "image-header",
      "domain-header",
      "libxc STATIC_DATA_END",
      "page-data",
      "page-data",
      "libxc END",
      "end",
    ]);
    expect(events[2]).toMatchObject({ isInferred: true, offset: 40, body: new Uint8Array(0) });
  });

  test("version 2 with a PV guest: before P2M_FRAMES; an explicit one is not doubled", async () => {
    const frames = hex("03000000 10000000 00000000 01000000 0900000000000000");
    const pv = patch(patch(LIBXC, 15, 2), 24, 1);
    const inferred = await collectEvents(join(pv.subarray(0, 40), frames, END));
    expect(kinds(inferred).slice(2, 4)).toEqual([
      "libxc STATIC_DATA_END",
      "libxc X86_PV_P2M_FRAMES",
    ]);
    const explicit = await collectEvents(join(pv.subarray(0, 48), frames, END));
    expect(kinds(explicit).filter((name) => name.includes("STATIC"))).toHaveLength(1);
  });
});

describe("what follows the end", () => {
  const bytes = join(LIBXC, text("my copy"));

  test("is left in the pipe, or read", async () => {
    expect((await collectEvents(bytes)).at(-1)).toEqual({ kind: "end", offset: 56 });
    const all = await collectEvents(bytes, { afterEnd: "read" });
    expect(all.at(-1)).toEqual({ kind: "trailing", offset: 56, bytes: text("my copy") });
  });
});
