import { describe, expect, test } from "vitest";
import * as bodies from "../../src/codec/bodies.ts";
import * as libxl from "../../src/codec/libxl-bodies.ts";
import type { ByteOrder } from "../../src/codec/steps.ts";
import { hex, join, text } from "../support/bytes.ts";

function source(digits: string, byteOrder: ByteOrder = "little"): bodies.BodySource {
  return { body: hex(digits), byteOrder, layer: "libxc", name: "RECORD", offset: 64 };
}

/** Octets written by hand, in both byte orders, and what they say. */
const BOTH_WAYS: readonly {
  readonly name: string;
  readonly little: string;
  readonly big: string;
  readonly value: unknown;
  readonly decode: (body: bodies.BodySource) => unknown;
  readonly encode: (byteOrder: ByteOrder) => Uint8Array;
}[] = [
  {
    name: "X86_TSC_INFO",
    little: "02000000 40420f00 0807060504030201 09000000 00000000",
    big: "00000002 000f4240 0102030405060708 00000009 00000000",
    value: { mode: 2, khz: 1_000_000, nsec: 0x0102030405060708n, incarnation: 9, reserved: 0 },
    decode: bodies.decodeTscInfo,
    encode: (order) =>
      bodies.encodeTscInfo(
        { mode: 2, khz: 1_000_000, nsec: 0x0102030405060708n, incarnation: 9, reserved: 0 },
        order,
      ),
  },
  {
    name: "X86_PV_P2M_FRAMES",
    little: "00000000 ff030000 0100000000000000 feffffffffffffff",
    big: "00000000 000003ff 0000000000000001 fffffffffffffffe",
    value: {
      startPfn: 0,
      endPfn: 1023,
      p2mPfns: BigUint64Array.of(1n, 0xffff_ffff_ffff_fffen),
    },
    decode: bodies.decodeP2mFrames,
    encode: (order) =>
      bodies.encodeP2mFrames(
        { startPfn: 0, endPfn: 1023, p2mPfns: BigUint64Array.of(1n, 0xffff_ffff_ffff_fffen) },
        order,
      ),
  },
  {
    name: "X86_PV_VCPU_*",
    little: "03000000 00000000 616263",
    big: "00000003 00000000 616263",
    value: { vcpuId: 3, reserved: 0, context: text("abc") },
    decode: bodies.decodeVcpuContext,
    encode: (order) =>
      bodies.encodeVcpuContext({ vcpuId: 3, reserved: 0, context: text("abc") }, order),
  },
  {
    name: "HVM_PARAMS",
    little: "02000000 00000000 0100000000000000 00f0000000000000 1100000000000000 0100000000000080",
    big: "00000002 00000000 0000000000000001 000000000000f000 0000000000000011 8000000000000001",
    value: {
      reserved: 0,
      params: [
        { index: 1n, value: 0xf000n },
        { index: 17n, value: 0x8000_0000_0000_0001n },
      ],
    },
    decode: bodies.decodeHvmParams,
    encode: (order) =>
      bodies.encodeHvmParams(
        {
          reserved: 0,
          params: [
            { index: 1n, value: 0xf000n },
            { index: 17n, value: 0x8000_0000_0000_0001n },
          ],
        },
        order,
      ),
  },
  {
    name: "X86_CPUID_POLICY",
    little: "00000080 ffffffff 08000080 01000000 02000000 03000000",
    big: "80000000 ffffffff 80000008 00000001 00000002 00000003",
    value: [{ leaf: 0x8000_0000, subleaf: 0xffff_ffff, eax: 0x8000_0008, ebx: 1, ecx: 2, edx: 3 }],
    decode: bodies.decodeCpuidPolicy,
    encode: (order) =>
      bodies.encodeCpuidPolicy(
        [{ leaf: 0x8000_0000, subleaf: 0xffff_ffff, eax: 0x8000_0008, ebx: 1, ecx: 2, edx: 3 }],
        order,
      ),
  },
  {
    name: "X86_MSR_POLICY",
    little: "ce000000 00000000 0000008000000000",
    big: "000000ce 00000000 0000000080000000",
    value: [{ index: 0xce, flags: 0, value: 0x8000_0000n }],
    decode: bodies.decodeMsrPolicy,
    encode: (order) =>
      bodies.encodeMsrPolicy([{ index: 0xce, flags: 0, value: 0x8000_0000n }], order),
  },
  {
    name: "CHECKPOINT_DIRTY_PFN_LIST",
    little: "0500000000000000 0000100000000000",
    big: "0000000000000005 0000000000100000",
    value: BigUint64Array.of(5n, 0x10_0000n),
    decode: bodies.decodeDirtyPfnList,
    encode: (order) => bodies.encodeDirtyPfnList(BigUint64Array.of(5n, 0x10_0000n), order),
  },
  {
    name: "EMULATOR_CONTEXT",
    little: "02000000 01000000 616263",
    big: "00000002 00000001 616263",
    value: { emulatorId: 2, index: 1, data: text("abc") },
    decode: libxl.decodeEmulatorPart,
    encode: (order) =>
      libxl.encodeEmulatorPart({ emulatorId: 2, index: 1, data: text("abc") }, order),
  },
  {
    name: "CHECKPOINT_STATE",
    little: "02000000",
    big: "00000002",
    value: 2,
    decode: libxl.decodeCheckpointState,
    encode: (order) => libxl.encodeCheckpointState(2, order),
  },
];

describe.each(BOTH_WAYS)("$name", ({ little, big, value, decode, encode }) => {
  test("is decoded and encoded in both byte orders", () => {
    expect(decode(source(little))).toEqual(value);
    expect(decode(source(big, "big"))).toEqual(value);
    expect(encode("little")).toEqual(hex(little));
    expect(encode("big")).toEqual(hex(big));
  });
});

test("X86_PV_INFO has no byte order", () => {
  expect(bodies.decodePvInfo(source("08 04 0000 00000000"))).toEqual({
    guestWidth: 8,
    ptLevels: 4,
  });
  expect(bodies.encodePvInfo({ guestWidth: 4, ptLevels: 3 })).toEqual(hex("0403000000000000"));
});

describe("EMULATOR_XENSTORE_DATA", () => {
  const head = hex("01000000 00000000");
  const pairs = [
    { key: "physmap/0/size", value: "1000" },
    { key: "state", value: "" },
  ];

  function data(strings: string): bodies.BodySource {
    return { body: join(head, text(strings)), byteOrder: "little", offset: 8 };
  }

  test("pairs of strings that end with NUL", () => {
    const strings = "physmap/0/size\x001000\0state\0\0";
    expect(libxl.decodeXenstoreData(data(strings))).toEqual(pairs);
    expect(libxl.encodeXenstoreData(pairs)).toEqual(text(strings));
    expect(libxl.decodeXenstoreData(data(""))).toEqual([]);
  });

  test.each([
    ["no final NUL", "key\0value", "RECORD_VALUE"],
    ["a key without a value", "key\0value\0key\0", "RECORD_VALUE"],
    ["more than anyone needs", "x\0".repeat(600_000), "RECORD_LENGTH"],
  ])("%s", (_name, strings, code) => {
    expect(() => libxl.decodeXenstoreData(data(strings))).toThrow(
      expect.objectContaining({ code }),
    );
  });
});

describe("lengths that do not fit", () => {
  test.each([
    ["X86_PV_INFO", bodies.decodePvInfo, "08040000000000"],
    ["X86_PV_P2M_FRAMES, no head", bodies.decodeP2mFrames, "00000000"],
    ["X86_PV_P2M_FRAMES, half a word", bodies.decodeP2mFrames, "00000000 01000000 00000000"],
    ["X86_PV_VCPU_*", bodies.decodeVcpuContext, "00000000 000000"],
    ["X86_TSC_INFO, short", bodies.decodeTscInfo, "00000000"],
    ["X86_TSC_INFO, long", bodies.decodeTscInfo, "00".repeat(25)],
    ["HVM_PARAMS, no head", bodies.decodeHvmParams, "00000000"],
    [
      "HVM_PARAMS, fewer than counted",
      bodies.decodeHvmParams,
      `02000000 00000000${"00".repeat(16)}`,
    ],
    ["HVM_PARAMS, absurd count", bodies.decodeHvmParams, "ffffffff 00000000"],
    ["X86_CPUID_POLICY, empty", bodies.decodeCpuidPolicy, ""],
    ["X86_CPUID_POLICY, half an entry", bodies.decodeCpuidPolicy, "00".repeat(36)],
    ["X86_MSR_POLICY, empty", bodies.decodeMsrPolicy, ""],
    ["X86_MSR_POLICY, absurd", bodies.decodeMsrPolicy, "00".repeat(16 * 65_537)],
    ["CHECKPOINT_DIRTY_PFN_LIST", bodies.decodeDirtyPfnList, "00000000"],
    ["EMULATOR_*", libxl.decodeEmulatorPart, "00000000 000000"],
    ["CHECKPOINT_STATE", libxl.decodeCheckpointState, "0000"],
  ])("%s", (_name, decode, digits) => {
    expect(() => decode(source(digits))).toThrow(
      expect.objectContaining({
        code: "RECORD_LENGTH",
        where: expect.objectContaining({ offset: 64, layer: "libxc", record: "RECORD" }),
      }),
    );
  });

  test("X86_PV_P2M_FRAMES from end to start", () => {
    expect(() => bodies.decodeP2mFrames(source("02000000 01000000"))).toThrow(/RECORD_VALUE/);
  });
});
