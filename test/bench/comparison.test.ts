import { describe, expect, test } from "vitest";
import { judge, renderComparison } from "../../bench/compare.ts";
import { spreadOf } from "../../bench/migration/run.ts";
import type { Results } from "../../bench/results.ts";

function resultsOf(rate: { median: number; least: number; most: number }): Results {
  return {
    version: 2,
    startedAt: "2026-11-25T00:00:00.000Z",
    commit: "0123456789abcdef",
    isCommitClean: true,
    machine: { cpu: "any", cpuCount: 2, memoryBytes: 1, architecture: "x64", kernel: "Linux" },
    nodeVersion: "v20.0.0",
    command: [],
    guestMemoryBytes: 2 ** 31,
    measurements: [],
    migrations: [
      {
        case: "migration/any",
        about: "",
        columns: [{ key: "rate", head: "GB/s", digits: 2 }],
        better: "more",
        baselines: [],
        contestants: [{ name: "xenferry", runs: 5, figures: { rate }, remarks: {} }],
        skipped: [],
      },
    ],
  };
}

describe("spread", () => {
  test("the median of an odd count is the middle one", () => {
    expect(spreadOf([5, 1, 9])).toEqual({ median: 5, least: 1, most: 9 });
  });

  test("of an even count it is the mean of the middle two", () => {
    expect(spreadOf([4, 1, 10, 2])).toEqual({ median: 3, least: 1, most: 10 });
  });

  test("one value is all three", () => {
    expect(spreadOf([7])).toEqual({ median: 7, least: 7, most: 7 });
  });
});

describe("comparison", () => {
  const before = { better: "more", median: 10, least: 9, most: 11 } as const;

  test("ranges that touch say nothing", () => {
    expect(judge(before, { ...before, median: 12, least: 11, most: 13 })).toBe("within the spread");
  });

  test("ranges apart are better or worse by what the figure is", () => {
    const higher = { ...before, median: 13, least: 12, most: 14 };
    expect(judge(before, higher)).toBe("better");
    expect(judge(higher, before)).toBe("worse");
    expect(judge({ ...before, better: "less" }, { ...higher, better: "less" })).toBe("worse");
  });

  test("the text has the ratio of medians, and names other conditions", () => {
    const old = resultsOf({ median: 2, least: 1.9, most: 2.1 });
    const now = resultsOf({ median: 3, least: 2.9, most: 3.1 });
    const text = renderComparison(old, { ...now, nodeVersion: "v22.0.0" });
    expect(text).toMatch(/migration\/any, xenferry: GB\/s +2\.00 +3\.00 +1\.50 +better/);
    expect(text).toContain("not the same Node");
    expect(text).not.toContain("not the same kernel");
  });

  test("figures of the old file alone are named", () => {
    const old = resultsOf({ median: 2, least: 1, most: 3 });
    expect(renderComparison(old, { ...old, migrations: [] })).toContain(
      "only in the old one: migration/any, xenferry: GB/s",
    );
  });
});
