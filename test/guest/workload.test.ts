import { describe, expect, test } from "vitest";
import {
  initialVcpuState,
  mix,
  nextOperation,
  pageWords,
  sharePages,
  TEXT_WORDS,
  versionTerm,
  type WorkloadShape,
} from "../../src/guest/workload.ts";

/** Expected values here come from a program of its own, in Python, written from the definition. */

/** Words 0 to 4 and 511 of a page. */
function sample(words: BigUint64Array): readonly string[] {
  return [0, 1, 2, 3, 4, 511].map((index) => words[index]!.toString(16));
}

describe("page content", () => {
  test("random fill, never stored", () => {
    const words = pageWords({ seed: 7n, fill: "random" }, 5, 0n);
    expect(sample(words)).toEqual([
      "5",
      "0",
      "1dd0ebb8c67c9223",
      "745cf90f49c762dd",
      "1f9fc283aee4dbf9",
      "f5aca4ea8299d5ac",
    ]);
  });

  test("a store makes the body random whatever the fill", () => {
    for (const fill of ["zero", "random", "text", "half-zero"] as const) {
      expect(sample(pageWords({ seed: 7n, fill }, 5, 2n))).toEqual([
        "5",
        "2",
        "d0bd25d0bbf3858f",
        "de056a9da73c5692",
        "30c744e48664dd1d",
        "aa7e53d7a6b4ae08",
      ]);
    }
  });

  test("the widest seed, a pfn above 2^31, a version above 2^32", () => {
    const source = { seed: 2n ** 64n - 1n, fill: "random" } as const;
    expect(sample(pageWords(source, 2 ** 31 + 3, 2n ** 40n))).toEqual([
      "80000003",
      "10000000000",
      "4f2434bc9c5a3e1a",
      "d035b50175e07a09",
      "a3cbcbb3976ebf62",
      "3a4ff30b63bbfcbc",
    ]);
  });

  test("zero fill is zero in every word", () => {
    expect(pageWords({ seed: 7n, fill: "zero" }, 5, 0n)).toEqual(new BigUint64Array(512));
  });

  test("half-zero fill has 16 random pages, then 16 of zeros, and so on", () => {
    const source = { seed: 7n, fill: "half-zero" } as const;
    for (const pfn of [0, 15, 32, 47, 64]) {
      expect(pageWords(source, pfn, 0n)).toEqual(pageWords({ seed: 7n, fill: "random" }, pfn, 0n));
    }
    for (const pfn of [16, 31, 48, 63]) {
      expect(pageWords(source, pfn, 0n)).toEqual(new BigUint64Array(512));
    }
  });

  test("text fill reads as text", () => {
    const words = pageWords({ seed: 1n, fill: "text" }, 3, 0n);
    expect(words[2]).toBe(0x28fdb4c8fafad81n);
    const text = Buffer.from(words.buffer).subarray(24, 72).toString("latin1");
    expect(text).toBe("dirty, adirty, athe pagethe pagewas lostdirty, a");
    expect(TEXT_WORDS.every((word) => word.length === 8)).toBe(true);
  });
});

describe("the commitment to versions", () => {
  test("is nothing for a page never stored", () => {
    expect(versionTerm(7n, 5, 0n)).toBe(0n);
  });

  test("is a known value for one stored twice", () => {
    expect(versionTerm(7n, 5, 2n)).toBe(0xdf50963c2b12f5c2n);
  });
});

describe("vCPUs", () => {
  const shape = (pattern: WorkloadShape["pattern"]): WorkloadShape => ({
    firstPfn: 27,
    workingSetPages: 9,
    vcpus: 2,
    pattern,
    readThreshold: 0x4000,
  });

  test("the finalizer is splitmix64's", () => {
    expect(mix(1n)).toBe(0x5692161d100b05e5n);
  });

  test("start from their own random numbers", () => {
    expect(initialVcpuState(7n, 0).prng).toBe(0x63cbe1e459320dd7n);
    expect(initialVcpuState(7n, 1).prng).toBe(0x44c3cd7f43c661cn);
  });

  test("share the working set without overlap", () => {
    const shares = (workingSetPages: number, vcpus: number) =>
      Array.from({ length: vcpus }, (_, vcpu) =>
        sharePages({ ...shape("uniform"), workingSetPages, vcpus }, vcpu),
      );
    expect(shares(9, 2)).toEqual([5, 4]);
    expect(shares(9, 4)).toEqual([3, 2, 2, 2]);
    expect(shares(2, 4)).toEqual([1, 1, 0, 0]);
  });

  test.each([
    ["sequential", ["s28", "r30", "s32", "s34", "r28", "r30", "s32", "s34"], 0xf6080aa3ee9046c4n],
    ["uniform", ["s34", "s34", "r30", "s28", "s28", "r34", "s34", "s32"], 0xe7c3d86fe8e4276cn],
    ["zipf", ["s32", "s32", "r30", "s28", "s28", "r32", "s34", "s32"], 0xe7c3d86fe8e4276cn],
  ] as const)("draw %s operations", (pattern, expected, prngAfter) => {
    let state = initialVcpuState(7n, 1);
    const drawn = expected.map(() => {
      const { kind, pfn, prng, cursor } = nextOperation(shape(pattern), 1, state);
      state = { ...state, prng, cursor };
      return `${kind[0]}${pfn}`;
    });
    expect(drawn).toEqual(expected);
    expect(state.prng).toBe(prngAfter);
  });
});
