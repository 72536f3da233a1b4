import { describe, expect, test } from "vitest";
import { BARE_COSTS } from "../../src/model/modelled.ts";
import { policyNamed } from "../../src/model/policies/choose.ts";
import { POLICY_DEFAULTS } from "../../src/model/policy.ts";
import { type PredictionInput, predictMigration } from "../../src/model/prediction.ts";
import { Random } from "../../src/model/random.ts";

const WINDOWS = [10, 20, 50, 100, 200, 500, 1000];
const downtime = policyNamed("downtime", POLICY_DEFAULTS);

/** A guest of 65,536 pages, 1 % zero, that dirties so many in so long, on a link of 100 MB/s. */
function input(dirtyPages: (windowMs: number) => number): PredictionInput {
  return {
    points: WINDOWS.map((windowMs) => ({ windowMs, dirtyPages: dirtyPages(windowMs) })),
    pfnCount: 65_536,
    dataPages: 64_881,
    emptyPages: 655,
    link: { bytesPerSecond: 100e6 },
    costs: { ...BARE_COSTS, handoverMs: 5 },
    handoverSpread: 0.1,
    downtimeTargetMs: 50,
  };
}

describe("a prediction", () => {
  test("of an idle guest is its memory over the link, and the hand-over", () => {
    const { totalMs, downtimeMs, bytes, converges, iterations } = predictMigration(
      input(() => 0),
      downtime,
    );
    // 64,881 pages of 4,104 octets, 655 words and 64 heads.
    expect(bytes).toEqual({ expected: 266_277_888, low: 266_277_888, high: 266_277_888 });
    expect(totalMs.expected / 2668).toBeCloseTo(1, 1);
    expect(downtimeMs.expected).toBeGreaterThan(4);
    expect(downtimeMs.expected).toBeLessThan(6);
    expect(iterations).toEqual({ expected: 1, low: 1, high: 1 });
    expect(converges).toBe(true);
  });

  test("of a guest that writes half of what the link carries converges, by halves", () => {
    const { converges, convergedShare, totalMs, typical } = predictMigration(
      input((ms) => ms * 12),
      downtime,
    );
    expect([converges, convergedShare]).toEqual([true, 1]);
    // Iteration 0 takes 2.67 s, and each after it half of the one before: 5.3 s all together.
    expect(totalMs.expected).toBeGreaterThan(4600);
    expect(totalMs.expected).toBeLessThan(5600);
    expect(typical.iterations.length).toBeGreaterThan(4);
    expect(typical.downtimeMs).toBeLessThan(50);
  });

  test("of a guest that writes more than the link carries says that it does not converge", () => {
    const { converges, convergedShare, downtimeMs, stopReason } = predictMigration(
      input((ms) => 20_000 * (1 - Math.exp(-ms / 200))),
      downtime,
    );
    expect([converges, convergedShare]).toEqual([false, 0]);
    // The fixed point of n = 20,000 (1 - exp(-n · 0.04104 / 200)): 19,640 pages, 806 ms.
    expect(downtimeMs.expected / 811).toBeCloseTo(1, 1);
    expect(stopReason).toContain("nothing gained");
  });

  test("of the same guest, slowed down, converges", () => {
    const guest = input((ms) => 20_000 * (1 - Math.exp(-ms / 200)));
    const { converges, typical } = predictMigration(guest, downtime, { isThrottling: true });
    expect(converges).toBe(true);
    expect(typical.throttlePercent).toBeGreaterThan(20);
  });

  test("is the same each time, and its intervals are as wide as what was seen varied", () => {
    const steady = input((ms) => ms * 10);
    const unsteady = {
      ...steady,
      points: [0.7, 0.9, 1.1, 1.3].flatMap((factor) =>
        steady.points.map((point) => ({ ...point, dirtyPages: point.dirtyPages * factor })),
      ),
    };
    const [one, again, other] = [steady, steady, unsteady].map((it) =>
      predictMigration(it, downtime),
    );
    expect(again).toEqual(one);
    const width = ({ totalMs }: NonNullable<typeof one>) => totalMs.high - totalMs.low;
    expect(width(other!)).toBeGreaterThan(width(one!));
    expect(one!.totalMs.low).toBeLessThanOrEqual(one!.totalMs.expected);
    expect(one!.totalMs.expected).toBeLessThanOrEqual(one!.totalMs.high);
  });
});

describe("random numbers", () => {
  test("are the same each time, between 0 and 1, and normal ones around 0", () => {
    const random = new Random(1n);
    const numbers = Array.from({ length: 4000 }, () => random.uniform());
    expect(Math.min(...numbers)).toBeGreaterThan(0);
    expect(Math.max(...numbers)).toBeLessThan(1);
    expect(new Random(1n).uniform()).toBe(numbers[0]);
    const normal = Array.from({ length: 4000 }, () => random.normal());
    const mean = normal.reduce((sum, value) => sum + value, 0) / 4000;
    const variance = normal.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 4000;
    expect(Math.abs(mean)).toBeLessThan(0.05);
    expect(variance).toBeCloseTo(1, 1);
  });
});
