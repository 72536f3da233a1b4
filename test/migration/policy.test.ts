import { describe, expect, it } from "vitest";
import {
  DOWNTIME_POLICY_DEFAULTS,
  downtimePolicy,
  finalCopyEstimateMs,
  type PrecopyStatistics,
  xenPolicy,
} from "../../src/migration/policy.ts";
import type { IterationStatistics } from "../../src/report/profile.ts";

/** An iteration that sent at 4,104,000 bytes/s (a page a millisecond) and left `dirty` pages. */
function iteration(dirty: number, changes: Partial<IterationStatistics> = {}): IterationStatistics {
  return {
    iteration: 0,
    phase: "precopy",
    pagesPlanned: 1000,
    pagesSent: 1000,
    pagesAllocateOnly: 0,
    pagesDeferred: 0,
    bytes: 4_104_000,
    dirtyPagesAtEnd: dirty,
    scanMs: 0,
    sendMs: 1000,
    logDirtyMs: 0,
    durationMs: 1000,
    bytesPerSecond: 4_104_000,
    dirtyPagesPerSecond: dirty,
    ...changes,
  };
}

function statistics(...dirty: readonly number[]): PrecopyStatistics {
  return {
    iterations: dirty.map((count) => iteration(count)),
    dirtyPages: dirty.at(-1) ?? 0,
    elapsedMs: dirty.length * 1000,
  };
}

describe("finalCopyEstimateMs", () => {
  it("is the dirty pages at the median rate", () => {
    const rates = [1_000_000, 4_104_000, 9_000_000];
    const iterations = rates.map((bytesPerSecond) => iteration(0, { bytesPerSecond }));
    expect(finalCopyEstimateMs({ iterations, dirtyPages: 30, elapsedMs: 0 })).toBeCloseTo(30);
  });

  it("knows no time where nothing was sent", () => {
    const iterations = [iteration(7, { pagesSent: 0, bytesPerSecond: 0 })];
    expect(finalCopyEstimateMs({ iterations, dirtyPages: 7, elapsedMs: 0 })).toBe(0);
  });
});

describe("downtimePolicy", () => {
  const policy = downtimePolicy({ ...DOWNTIME_POLICY_DEFAULTS, downtimeTargetMs: 50 });

  it("stops where copy, harvest and hand-over fit the target, not above it", () => {
    const left = (dirty: number): PrecopyStatistics => ({
      ...statistics(dirty),
      iterations: [iteration(dirty, { pagesPlanned: 60, logDirtyMs: 2 })],
    });
    expect(policy.decide(left(40)).action).toBe("stop-and-copy");
    expect(policy.decide(left(40)).reason).toContain("downtime about 50.0 ms");
    expect(policy.decide(left(41)).action).toBe("continue");
  });

  it("goes on below the target while iterations halve what is left", () => {
    expect(policy.decide(statistics(40)).action).toBe("continue");
    const halved = { ...statistics(40), iterations: [iteration(40, { pagesPlanned: 80 })] };
    expect(policy.decide(halved).action).toBe("continue");
    const less = { ...statistics(40), iterations: [iteration(40, { pagesPlanned: 79 })] };
    expect(policy.decide(less).action).toBe("stop-and-copy");
    expect(policy.decide(statistics(0)).action).toBe("stop-and-copy");
  });

  it("never says that a target below the hand-over itself fits", () => {
    const hasty = downtimePolicy({ ...DOWNTIME_POLICY_DEFAULTS, downtimeTargetMs: 5 });
    expect(hasty.decide(statistics(0)).action).toBe("continue");
    expect(hasty.decide(statistics(0, 0, 0, 0)).reason).toContain("above the target");
  });

  it("counts deferred pages, which the last iteration does not", () => {
    expect(policy.decide({ ...statistics(10), dirtyPages: 60 }).action).toBe("continue");
  });

  it("goes on while each few iterations bring a new minimum", () => {
    expect(policy.decide(statistics(900, 800, 700, 600, 500)).action).toBe("continue");
    expect(policy.decide(statistics(900, 500, 600, 600, 400)).action).toBe("continue");
  });

  it("stops when three iterations gained less than a twentieth", () => {
    const decision = policy.decide(statistics(900, 500, 490, 510, 480));
    expect(decision.action).toBe("stop-and-copy");
    expect(decision.reason).toContain("nothing gained");
  });

  it("obeys its bounds", () => {
    const bounded = { ...DOWNTIME_POLICY_DEFAULTS, iterationsMax: 2, totalMsMax: 5000 };
    expect(downtimePolicy(bounded).decide(statistics(900, 400)).reason).toContain("2 iterations");
    const late = { ...statistics(900), elapsedMs: 5000 };
    expect(downtimePolicy(bounded).decide(late).reason).toContain("5000 ms");
  });

  it("aborts instead where that is wished", () => {
    const strict = downtimePolicy({
      ...DOWNTIME_POLICY_DEFAULTS,
      iterationsMax: 1,
      aboveTarget: "abort",
    });
    expect(strict.decide(statistics(900)).action).toBe("abort");
    expect(strict.decide(statistics(3)).action).toBe("stop-and-copy");
  });
});

describe("xenPolicy", () => {
  it("stops below 50 dirty pages", () => {
    expect(xenPolicy.decide(statistics(50)).action).toBe("continue");
    expect(xenPolicy.decide(statistics(49)).action).toBe("stop-and-copy");
  });

  it("stops after five iterations, whatever is dirty", () => {
    expect(xenPolicy.decide(statistics(900, 900, 900, 900)).action).toBe("continue");
    expect(xenPolicy.decide(statistics(900, 900, 900, 900, 900)).action).toBe("stop-and-copy");
  });
});
