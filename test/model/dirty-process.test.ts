import { describe, expect, test } from "vitest";
import { fitDirtyCurve } from "../../src/model/dirty-curve.ts";
import { type DirtyWorkload, workloadProcess } from "../../src/model/dirty-process.ts";

const WORKLOAD: DirtyWorkload = {
  storesPerSecond: 1000,
  pattern: "sequential",
  workingSetPages: 500,
  vcpus: 1,
};

/** Different pages in the first milliseconds. */
function dirty(workload: Partial<DirtyWorkload>, durationMs: number, startMs = 0, pace = 1) {
  return workloadProcess({ ...WORKLOAD, ...workload }).dirtyPages({ startMs, durationMs, pace });
}

describe("a workload", () => {
  test("in turn dirties a page a store until all are dirty", () => {
    expect(dirty({}, 100)).toBeCloseTo(100);
    expect(dirty({}, 500)).toBeCloseTo(500);
    expect(dirty({}, 900)).toBeCloseTo(500);
  });

  test("at random dirties ever fewer that were not", () => {
    // 1 - 1/e of them when there was a store for each page.
    expect(dirty({ pattern: "uniform" }, 500)).toBeCloseTo(316.06, 1);
    expect(dirty({ pattern: "uniform" }, 60_000)).toBeCloseTo(500);
  });

  test("with a skew dirties fewer still, one page at least", () => {
    // Two pages: ranks 1 and 2 with ln(2)/ln(3) and ln(3/2)/ln(3); one store is one page.
    const two = { pattern: "zipf", workingSetPages: 2, storesPerSecond: 1000 } as const;
    const [often, seldom] = [Math.log(2) / Math.log(3), Math.log(1.5) / Math.log(3)];
    expect(dirty(two, 3)).toBeCloseTo(2 - Math.exp(-3 * often) - Math.exp(-3 * seldom));
    expect(dirty({ pattern: "zipf" }, 500)).toBeLessThan(dirty({ pattern: "uniform" }, 500));
  });

  test("is shared by vCPUs, each with pages of its own", () => {
    expect(dirty({ vcpus: 4 }, 100)).toBeCloseTo(100);
    expect(dirty({ vcpus: 4 }, 900)).toBeCloseTo(500);
    expect(dirty({ vcpus: 900, storesPerSecond: 0 }, 900)).toBe(0);
  });

  test("goes through its phases, from any moment on", () => {
    const phases = [
      { durationMs: 100, rate: 2 },
      { durationMs: 200, rate: 0.5 },
    ];
    expect(dirty({ phases }, 50)).toBeCloseTo(100);
    expect(dirty({ phases }, 100, 50)).toBeCloseTo(125);
    expect(dirty({ phases }, 100, 350)).toBeCloseTo(125);
    expect(dirty({ phases, workingSetPages: 5000 }, 600)).toBeCloseTo(600);
  });

  test("does less with less of the vCPUs' time", () => {
    expect(dirty({}, 100, 0, 0.2)).toBeCloseTo(20);
  });
});

describe("a dirty curve", () => {
  const windows = [10, 20, 50, 100, 200, 500, 1000, 2000];
  const pointsOf = (curve: (ms: number) => number) =>
    windows.map((windowMs) => ({ windowMs, dirtyPages: curve(windowMs) }));

  test.each([
    ["random", (ms: number) => 8000 * (1 - Math.exp(-ms / 300))],
    ["in turn", (ms: number) => Math.min(6000, ms * 9)],
    ["two sets", (ms: number) => 400 * (1 - Math.exp(-ms / 20)) + Math.min(50_000, 7 * ms)],
  ])("goes through what was seen, and between: %s", (_, real) => {
    const curve = fitDirtyCurve(pointsOf(real), 1e6);
    for (const ms of [10, 35, 75, 150, 400, 800, 1500]) {
      expect(Math.abs(curve(ms) / real(ms) - 1)).toBeLessThan(0.06);
    }
  });

  test("knows where it ends, if what was seen shows that", () => {
    const curve = fitDirtyCurve(
      pointsOf((ms) => 8000 * (1 - Math.exp(-ms / 100))),
      1e6,
    );
    expect(curve(10_000)).toBeGreaterThan(7900);
    expect(curve(10_000)).toBeLessThan(8400);
  });

  test("goes on rising where it did, bending, and never beyond the guest's memory", () => {
    const points = pointsOf((ms) => 10 * ms);
    const curve = fitDirtyCurve(points, 1e6);
    expect(curve(6000)).toBeGreaterThan(40_000);
    expect(curve(6000)).toBeLessThanOrEqual(60_000);
    expect(fitDirtyCurve(points, 25_000)(60_000)).toBe(25_000);
  });

  test("starts at nothing, never falls, and bends one way only", () => {
    const noisy = pointsOf((ms) => 900 * Math.sqrt(ms) * (1 + 0.1 * Math.sin(ms)));
    const curve = fitDirtyCurve(noisy, 1e6);
    const steps = Array.from({ length: 60 }, (_, step) => curve(step * 100));
    const rises = steps.slice(1).map((value, index) => value - steps[index]!);
    expect(steps[0]).toBe(0);
    expect(
      rises.every((rise, index) => rise >= 0 && rise <= (rises[index - 1] ?? rise) + 1e-6),
    ).toBe(true);
  });

  test("of a guest that writes nothing is nothing", () => {
    expect(fitDirtyCurve([], 100)(1000)).toBe(0);
    expect(fitDirtyCurve([{ windowMs: 10, dirtyPages: 0 }], 100)(1000)).toBe(0);
  });
});
