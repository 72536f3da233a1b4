import { describe, expect, test } from "vitest";
import { digestContract } from "../contract/engine.ts";
import { describeEngines } from "../support/engines.ts";
import { definedDigest, definedNh } from "../support/nh.ts";

/** The definition the suites compare with, against sums by hand. */
describe("NH word by word", () => {
  const rising = Uint8Array.from({ length: 32 }, (_, at) => (at % 4 === 0 ? at / 4 + 1 : 0));

  test("of words 1 to 8 by no key is 1 * 5 + 2 * 6 + 3 * 7 + 4 * 8", () => {
    expect(definedNh(rising, new Uint8Array(32))).toBe(70n);
  });

  test("adds the key before it multiplies", () => {
    expect(definedNh(rising, rising)).toBe(280n);
    expect(definedNh(new Uint8Array(32).fill(0xff), new Uint8Array(32))).toBe(
      (4n * (2n ** 32n - 1n) ** 2n) % 2n ** 64n,
    );
  });
});

test("the values of the self-test", () => {
  const key = Uint8Array.from({ length: 4144 }, (_, at) => at * 7 + (at >> 8));
  const rising = Uint8Array.from({ length: 4096 }, (_, at) => at);
  expect(definedDigest(rising, key)).toEqual([
    ...[0xa71dd98701ee1f00n, 0x6710408b5f10c8e0n, 0xe50ef44180bfcb00n, 0x95fb5fd1707504e0n],
  ]);
  expect(definedDigest(new Uint8Array(4096).fill(255), key)).toEqual([
    ...[0x80fb3743e0a32f00n, 0xaffa47a232249f20n, 0xc0f76c2d0a106380n, 0x62780c8ad90e50a0n],
  ]);
});

describeEngines("digest", digestContract);
