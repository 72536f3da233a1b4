import { describe, expect, test } from "vitest";
import { parseHelperArguments } from "../../src/helper/arguments.ts";

const parse = (line: string) => parseHelperArguments(line.split(" "));

describe("libxl's arguments", () => {
  test("of xl save", () => {
    expect(parse("--save-domain 14 11 3 0 136 0")).toEqual({
      operation: "save",
      streamFd: 14,
      backFd: undefined,
      domid: 3,
      isLive: false,
      isDebug: false,
      callbackFlags: 136,
      streamType: "plain",
    });
  });

  test("of xl migrate, xl migrate --debug, and xl remus", () => {
    expect(parse("--save-domain 15 11 4 1 136 0")).toMatchObject({ isLive: true, isDebug: false });
    expect(parse("--save-domain 15 11 9 3 136 0")).toMatchObject({ isLive: true, isDebug: true });
    const remus = { backFd: 11, streamType: "remus", callbackFlags: 184 };
    expect(parse("--save-domain 15 11 9 1 184 1")).toMatchObject(remus);
  });

  test("of xl restore and xl migrate-receive", () => {
    expect(parse("--restore-domain 12 -1 7 1 0 2 0 768 0")).toEqual({
      operation: "restore",
      streamFd: 12,
      backFd: undefined,
      domid: 7,
      storeEvtchn: 1,
      storeDomid: 0,
      consoleEvtchn: 2,
      consoleDomid: 0,
      callbackFlags: 768,
      streamType: "plain",
    });
    expect(parse("--restore-domain 11 20 5 1 0 2 0 768 0")).toMatchObject({ backFd: undefined });
    expect(parse("--restore-domain 11 20 5 1 0 2 0 824 2")).toMatchObject({
      backFd: 20,
      streamType: "colo",
    });
  });

  test.each([
    ["no mode", ""],
    ["another mode", "--migrate-domain 14 11 3 0 136 0"],
    ["a number too few", "--save-domain 14 11 3 0 136"],
    ["a number too many", "--save-domain 14 11 3 0 136 0 0"],
    ["hexadecimal", "--save-domain 14 11 0x3 0 136 0"],
    ["octal", "--save-domain 14 11 03 0 136 0"],
    ["nothing", "--save-domain 14  3 0 136 0"],
    ["a fraction", "--save-domain 14 11 3.5 0 136 0"],
    ["no stream", "--save-domain -1 11 3 0 136 0"],
    ["a descriptor below -1", "--save-domain 14 -2 3 0 136 0"],
    ["a domain that is no guest's", "--save-domain 14 11 32752 0 136 0"],
    ["more than 32 bits", "--save-domain 14 11 3 0 4294967296 0"],
    ["a stream of another type", "--save-domain 14 11 3 0 136 3"],
  ])("with %s are refused", (_, line) => {
    expect(() => parse(line)).toThrow(expect.objectContaining({ code: "HELPER_ARGUMENTS" }));
  });
});
