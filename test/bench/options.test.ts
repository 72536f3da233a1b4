import { describe, expect, test } from "vitest";
import { parseOptions } from "../../bench/options.ts";

describe("bench options", () => {
  test("defaults", () => {
    expect(parseOptions([])).toMatchObject({
      action: "run",
      words: [],
      repeats: 5,
      memoryBytes: 2 ** 31,
      peer: undefined,
      timeMs: 300,
      compare: undefined,
    });
  });

  test("--quick gives way to what is said", () => {
    const options = parseOptions(["--quick", "--repeat", "3"]);
    expect(options).toMatchObject({ repeats: 3, memoryBytes: 2 ** 28, timeMs: 50 });
  });

  test("--compare takes a second file, and leaves the filter alone", () => {
    const both = parseOptions(["--compare", "old.json", "new.json"]);
    expect(both).toMatchObject({
      action: "compare",
      compare: { oldFile: "old.json", newFile: "new.json" },
    });
    const run = parseOptions(["downtime", "--compare", "old.json"]);
    expect(run).toMatchObject({
      action: "run",
      words: ["downtime"],
      compare: { oldFile: "old.json", newFile: undefined },
    });
  });

  test.each([
    [["--repeat", "0"]],
    [["--repeat", "2.5"]],
    [["--memory", "5K"]],
    [["--memory", "much"]],
    [["--peer", "other"]],
    [["--unknown"]],
  ])("refuses %j", (args) => {
    expect(() => parseOptions(args)).toThrow();
  });
});
