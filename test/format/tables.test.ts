import { describe, expect, test } from "vitest";
import {
  hvmParamName,
  isOptionalRecord,
  LIBXC_RECORD,
  libxcRecordName,
  paddedBytes,
} from "../../src/format/libxc.ts";
import { emulatorName, LIBXL_RECORD, libxlRecordName } from "../../src/format/libxl.ts";
import {
  ownRecordName,
  PAGE_ALIGNMENT,
  pageAlignmentBytes,
} from "../../src/format/page-alignment.ts";
import {
  hasStreamData,
  isKnownPageType,
  isPopulatedPageType,
  pageTypeName,
} from "../../src/format/page-type.ts";
import { XL_SENTENCE_BYTES, xlSentence } from "../../src/format/xl.ts";
import { text } from "../support/bytes.ts";

describe("libxc", () => {
  test("nineteen record types, numbered without a gap", () => {
    const types = Object.values(LIBXC_RECORD);
    expect(types).toEqual(Array.from({ length: 19 }, (_, type) => type));
    expect(libxcRecordName(0)).toBe("END");
    expect(libxcRecordName(18)).toBe("X86_MSR_POLICY");
    expect(libxcRecordName(19)).toBeUndefined();
    expect(libxcRecordName(0x8000_0001)).toBeUndefined();
  });

  test("bit 31 makes a record optional", () => {
    expect(isOptionalRecord(0x7fff_ffff)).toBe(false);
    expect(isOptionalRecord(0x8000_0000)).toBe(true);
    expect(isOptionalRecord(0xffff_ffff)).toBe(true);
  });

  test("padding up to 8 octets, beyond 31 bits too", () => {
    expect([0, 1, 8, 9, 0xffff_ffff].map(paddedBytes)).toEqual([0, 8, 8, 16, 0x1_0000_0000]);
  });

  test("our own record is optional, and named", () => {
    expect(PAGE_ALIGNMENT).toBe(0x8044_4150);
    expect(isOptionalRecord(PAGE_ALIGNMENT)).toBe(true);
    expect(libxcRecordName(PAGE_ALIGNMENT)).toBeUndefined();
    expect(ownRecordName(PAGE_ALIGNMENT)).toBe("PAGE_ALIGNMENT");
    expect(ownRecordName(0x8000_0001)).toBeUndefined();
  });

  test.each([
    [0, 4096, 0],
    [4096, 24, 4072],
    [4072, 24, 0],
    [4080, 24, 4088],
    [2 ** 40, 8208, 4080],
  ])("at %i, pages behind %i octets of head need %i more", (offset, headBytes, expected) => {
    expect(pageAlignmentBytes(offset, headBytes)).toBe(expected);
  });

  test("names of params", () => {
    expect(hvmParamName(1n)).toBe("STORE_PFN");
    expect(hvmParamName(38n)).toBe("MCA_CAP");
    expect(hvmParamName(0xffff_ffff_ffff_ffffn)).toBeUndefined();
  });
});

test("libxl: six record types, three emulators", () => {
  expect(Object.values(LIBXL_RECORD)).toEqual([0, 1, 2, 3, 4, 5]);
  expect(libxlRecordName(5)).toBe("CHECKPOINT_STATE");
  expect(libxlRecordName(6)).toBeUndefined();
  expect([0, 1, 2, 3].map(emulatorName)).toEqual([
    "UNKNOWN",
    "QEMU_TRADITIONAL",
    "QEMU_UPSTREAM",
    undefined,
  ]);
});

test("page types", () => {
  const types = Array.from({ length: 16 }, (_, type) => type);
  expect(types.filter(isKnownPageType)).toEqual([0, 1, 2, 3, 4, 9, 10, 11, 12, 13, 14, 15]);
  expect(types.filter((type) => isKnownPageType(type) && hasStreamData(type))).toEqual([
    0, 1, 2, 3, 4, 9, 10, 11, 12,
  ]);
  expect(types.filter((type) => isKnownPageType(type) && !isPopulatedPageType(type))).toEqual([
    13, 15,
  ]);
  expect([0, 5, 9, 15].map(pageTypeName)).toEqual(["NOTAB", undefined, "L1TAB_PIN", "XTAB"]);
});

test("xl's sentences: the banner without its NUL, the others with", () => {
  expect(XL_SENTENCE_BYTES).toEqual({ BANNER: 54, READY: 34, PERMISSION: 44, REPORT: 39 });
  expect(xlSentence("READY")).toEqual(text("domain received, ready to unpause\0"));
});
