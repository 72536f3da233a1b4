import { describe, expect, test } from "vitest";
import { AutoConverge } from "../../src/model/auto-converge.ts";
import { LinkUse } from "../../src/model/link.ts";
import { BARE_COSTS, modelledIterations } from "../../src/model/modelled.ts";
import { xenPolicy } from "../../src/model/policies/xen.ts";
import type { PrecopyPolicy } from "../../src/model/policy.ts";
import { bestStop, costMs } from "../../src/model/regret.ts";
import { simulate } from "../../src/model/simulate.ts";
import type { IterationStatistics } from "../../src/report/profile.ts";

/** 1,024 pages go in a second, so an iteration of n records takes n seconds. */
const BYTES_PER_SECOND = 1024 * 4104 + 16;

/** A guest of 4,096 pages that dirties one page a millisecond, of 2,048. */
function linear(handoverMs = 10) {
  return modelledIterations({
    dataPages: 4096,
    emptyPages: 0,
    link: { bytesPerSecond: BYTES_PER_SECOND },
    dirty: { dirtyPages: ({ durationMs, pace }) => Math.min(2048, durationMs * pace) },
    costs: { ...BARE_COSTS, handoverMs },
  });
}

const never: PrecopyPolicy = {
  name: "never",
  parameters: {},
  decide: () => ({ action: "continue", reason: "" }),
};

describe("a modelled migration", () => {
  test("goes from iteration to iteration as its link and its guest have it", () => {
    const source = linear();
    expect(source.next(1)).toMatchObject({
      iteration: 0,
      pagesSent: 4096,
      durationMs: 4000,
      dirtyPagesAtEnd: 2048,
      bytes: 4 * BYTES_PER_SECOND,
    });
    expect(source.next(1)).toMatchObject({ iteration: 1, durationMs: 2000, dirtyPagesAtEnd: 2000 });
    // 2,000 pages and two heads: 1.953 s.
    expect(source.next(1)?.dirtyPagesAtEnd).toBe(1953);
  });

  test("says what stopping would come to, and is not changed by it", () => {
    const source = linear();
    source.next(1);
    const point = { finalPages: 2048, finalCopyMs: 2000, downtimeMs: 2010, totalMs: 6010 };
    expect(source.stopHere()).toMatchObject(point);
    expect(source.stopHere()).toMatchObject(point);
    expect(source.stopHere().totalBytes).toBe(6 * BYTES_PER_SECOND);
  });

  test("counts readings of the bitmap, and what is dirtied before the guest stands still", () => {
    const source = modelledIterations({
      dataPages: 512,
      emptyPages: 512,
      link: { bytesPerSecond: 1e12 },
      dirty: { dirtyPages: ({ durationMs }) => durationMs },
      costs: {
        ...BARE_COSTS,
        iterationMs: 90,
        harvestMs: 10,
        harvestMsPerPage: 0.1,
        gapMs: 50,
        handoverMs: 5,
        aroundMs: 7,
      },
    });
    // 90 ms and 10 of the harvest dirty 100 pages, which take another 10 to read.
    expect(source.next(1)).toMatchObject({
      pagesAllocateOnly: 512,
      dirtyPagesAtEnd: 100,
      logDirtyMs: 20,
    });
    const { finalPages, downtimeMs, totalMs } = source.stopHere();
    expect(finalPages).toBe(160);
    expect(downtimeMs).toBeCloseTo(5 + 10 + 16, 2);
    expect(totalMs).toBeCloseTo(110 + 50 + 31 + 7, 2);
  });
});

describe("a link", () => {
  test("takes as long as its octets", () => {
    expect(new LinkUse({ bytesPerSecond: 1000 }).send(250, 0)).toBe(250);
  });

  test("that is limited lets the last batch go ahead, and is behind then", () => {
    const limiter = { batchBytes: 1000, bucketMs: 50, lineBytesPerSecond: 1e9 };
    const link = new LinkUse({ bytesPerSecond: 1000, limiter });
    // Two batches: the second waits for the first, nobody for the second.
    expect(link.send(2000, 0)).toBeCloseTo(1000, 0);
    // What is owed is waited for by whoever comes next.
    expect(link.copy().send(10, 1000)).toBeCloseTo(1000, 0);
    expect(link.copy().send(10, 1500)).toBeCloseTo(500, 0);
    expect(link.send(10, 9000)).toBeCloseTo(0, 0);
  });
});

describe("the loop", () => {
  test("asks the policy after each iteration", () => {
    const outcome = simulate(linear(), xenPolicy);
    expect(outcome).toMatchObject({ action: "stop-and-copy", stopReason: "5 iterations" });
    expect(outcome.iterations.map(({ dirtyPagesAtEnd }) => dirtyPagesAtEnd)).toEqual([
      2048, 2000, 1953, 1907, 1862,
    ]);
  });

  test("ends with a policy that does not", () => {
    const still = { next: () => linear().next(1), stopHere: () => linear().stopHere() };
    expect(simulate(still, never).stopReason).toBe("not stopped in 5000 iterations");
  });

  test("slows the guest down where that is asked for", () => {
    const percents: number[] = [];
    const watching: PrecopyPolicy = {
      ...never,
      decide: ({ throttle, iterations }) => {
        percents.push(throttle!.percent);
        return { action: iterations.length === 6 ? "abort" : "continue", reason: "enough" };
      },
    };
    const outcome = simulate(linear(), watching, { isThrottling: true });
    // 4,096 pages leave 2,048, which is not more than half; then two poor ones, and two more.
    expect(percents).toEqual([0, 0, 20, 20, 30, 30]);
    expect(outcome).toMatchObject({ action: "abort", throttlePercent: 30 });
  });
});

describe("slowing down", () => {
  const poor = (iteration: number) =>
    ({ iteration, pagesPlanned: 100, dirtyPagesAtEnd: 51 }) as IterationStatistics;

  test("goes by 20, 30 … 90, 99 percent, with two poor iterations before each step", () => {
    const converge = new AutoConverge();
    const percents = Array.from({ length: 22 }, (_, iteration) => {
      converge.observe(poor(iteration));
      return converge.state.percent;
    });
    expect(percents.filter((_, index) => index % 2 === 1)).toEqual([
      20, 30, 40, 50, 60, 70, 80, 90, 99, 99, 99,
    ]);
    expect(percents.filter((_, index) => index % 2 === 0)).toEqual([
      0, 20, 30, 40, 50, 60, 70, 80, 90, 99, 99,
    ]);
    expect(converge.state).toEqual({ percent: 99, canRise: false, sinceIteration: 18 });
  });

  test("does not come of iterations that halve", () => {
    const converge = new AutoConverge();
    const halving = { ...poor(0), dirtyPagesAtEnd: 50 };
    expect([1, 2, 3, 4].map(() => converge.observe(halving))).toEqual([false, false, false, false]);
    expect(converge.state.percent).toBe(0);
  });
});

describe("regret", () => {
  test("weighs a second of total time as a millisecond of downtime", () => {
    expect(costMs({ downtimeMs: 10, totalMs: 5000 })).toBe(15);
    expect(costMs({ downtimeMs: 10, totalMs: 5000 }, 100)).toBe(510);
    expect(costMs({ downtimeMs: 10, totalMs: 5000 }, 0)).toBe(10);
  });

  test("is against the best of all points to stop at", () => {
    // Each iteration saves 1/43 of a downtime that is as long as the iteration: worth it for long.
    const best = bestStop(linear());
    expect(best.iterations).toBeGreaterThan(100);
    expect(best.point.downtimeMs).toBeLessThan(40);
    // Where time weighs as much as downtime, the first is the best.
    expect(bestStop(linear(), 1000)).toMatchObject({ iterations: 1, costMs: 2010 + 6010 });
  });
});
