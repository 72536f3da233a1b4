import { describe, expect, it } from "vitest";
import { BoundedLog } from "../../src/report/bounded-log.ts";
import { ThinnedSeries } from "../../src/report/thinned-series.ts";

function thinned(countMax: number, seen: number): readonly number[] {
  const series = new ThinnedSeries<number>(countMax);
  for (let entry = 0; entry < seen; entry++) {
    series.add(entry);
  }
  return series.entries();
}

describe("a thinned series", () => {
  it.each([
    [0, []],
    [1, [0]],
    [4, [0, 1, 2, 3]],
    [5, [0, 2, 4]],
    [6, [0, 2, 4, 5]],
    [7, [0, 2, 4, 6]],
    [9, [0, 4, 8]],
    [10, [0, 4, 8, 9]],
    [17, [0, 8, 16]],
    [18, [0, 8, 16, 17]],
  ])("of 5 keeps of %d", (seen, kept) => {
    expect(thinned(5, seen)).toEqual(kept);
  });

  it("never has more than it may, and always the ends", () => {
    for (let seen = 1; seen < 5000; seen += 7) {
      const kept = thinned(64, seen);
      expect(kept.length).toBeLessThanOrEqual(64);
      expect([kept[0], kept.at(-1)]).toEqual([0, seen - 1]);
    }
  });
});

describe("a bounded log", () => {
  it("keeps the first and the latest", () => {
    const log = new BoundedLog<number>(6);
    for (let entry = 0; entry < 100; entry++) {
      log.add(entry);
    }
    expect(log.entries()).toEqual([0, 1, 2, 97, 98, 99]);
  });
});
