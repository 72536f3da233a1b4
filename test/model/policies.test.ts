import { describe, expect, it } from "vitest";
import { isPolicyName, POLICY_NAMES, policyNamed } from "../../src/model/policies/choose.ts";
import { deadlinePolicy } from "../../src/model/policies/deadline.ts";
import { downtimePolicy } from "../../src/model/policies/downtime.ts";
import { finalCopyEstimateMs } from "../../src/model/policies/estimates.ts";
import { limitPolicy } from "../../src/model/policies/limit.ts";
import { minimumPolicy } from "../../src/model/policies/minimum.ts";
import { xenPolicy } from "../../src/model/policies/xen.ts";
import { POLICY_DEFAULTS, type PrecopyStatistics } from "../../src/model/policy.ts";
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
    pagesUnchanged: 0,
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
  const policy = downtimePolicy({ ...POLICY_DEFAULTS, downtimeTargetMs: 50 });

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
    const hasty = downtimePolicy({ ...POLICY_DEFAULTS, downtimeTargetMs: 5 });
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
    const bounded = { ...POLICY_DEFAULTS, iterationsMax: 2, totalMsMax: 5000 };
    expect(downtimePolicy(bounded).decide(statistics(900, 400)).reason).toContain("2 iterations");
    const late = { ...statistics(900), elapsedMs: 5000 };
    expect(downtimePolicy(bounded).decide(late).reason).toContain("5000 ms");
  });

  it("aborts instead where that is wished", () => {
    const strict = downtimePolicy({
      ...POLICY_DEFAULTS,
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

describe("policies by name", () => {
  it("are those of their files", () => {
    const made = POLICY_NAMES.map((name) => policyNamed(name, POLICY_DEFAULTS).name);
    expect(made).toEqual(["downtime", "deadline", "minimum", "xen"]);
    expect(isPolicyName("xen")).toBe(true);
    expect(isPolicyName("toString")).toBe(false);
  });
});

/** Iterations of a second each, numbered, that left so many dirty pages a second. */
function numbered(...dirty: readonly number[]): PrecopyStatistics {
  const plain = statistics(...dirty);
  const iterations = plain.iterations.map((entry, index) => ({ ...entry, iteration: index }));
  return { ...plain, iterations };
}

describe("throttling", () => {
  const policy = downtimePolicy(POLICY_DEFAULTS);
  const stalled = numbered(900, 500, 490, 510, 480);

  it("keeps the loop going while the guest can be slowed down further", () => {
    const throttle = { percent: 20, canRise: true, sinceIteration: 3 };
    expect(policy.decide({ ...stalled, throttle }).action).toBe("continue");
  });

  it("has to have had its time at its last step before the loop counts as stalled", () => {
    const throttle = { percent: 99, canRise: false, sinceIteration: 2 };
    expect(policy.decide({ ...stalled, throttle }).action).toBe("continue");
    const longer = numbered(900, 500, 490, 510, 480, 485);
    expect(policy.decide({ ...longer, throttle }).reason).toContain("nothing gained");
  });
});

describe("deadlinePolicy", () => {
  // A page a millisecond: what is left takes as many milliseconds; 8 ms of hand-over.
  const policy = deadlinePolicy({ deadlineMs: 10_000, aboveTarget: "stop-and-copy" });
  const at = (elapsedMs: number, ...dirty: readonly number[]) => ({
    ...statistics(...dirty),
    elapsedMs,
  });

  it("only looks in the first part of the time, however little is left", () => {
    expect(policy.decide(at(3699, 900, 400, 390)).action).toBe("continue");
  });

  it("then takes what is no more than the least of before", () => {
    expect(policy.decide(at(3700, 900, 600, 630)).action).toBe("stop-and-copy");
    expect(policy.decide(at(3700, 900, 600, 630)).reason).toContain("as little left as ever");
    expect(policy.decide(at(3700, 900, 600, 631)).action).toBe("continue");
  });

  it("goes on while iterations halve what is left", () => {
    const halving = [iteration(900), iteration(400, { pagesPlanned: 900 })];
    expect(policy.decide({ ...at(5000, 900, 400), iterations: halving }).action).toBe("continue");
  });

  it("stops when another iteration and its copy would not fit any more", () => {
    // 900 pages: an iteration of 900 ms that leaves 900 or fewer, 900 ms of copy, 8 of hand-over.
    expect(policy.decide(at(10_000 - 1808, 100, 900)).action).toBe("continue");
    const late = policy.decide(at(10_000 - 1807, 100, 900));
    expect(late.action).toBe("stop-and-copy");
    expect(late.reason).toContain("no time for another iteration");
  });

  it("says that the deadline is missed, and gives up where that is wished", () => {
    const missed = at(9_100, 900);
    expect(policy.decide(missed).action).toBe("stop-and-copy");
    expect(policy.decide(missed).reason).toContain("deadline of 10000 ms missed");
    const strict = deadlinePolicy({ deadlineMs: 10_000, aboveTarget: "abort" });
    expect(strict.decide(missed).action).toBe("abort");
    expect(strict.decide(at(9_092, 900)).action).toBe("stop-and-copy");
  });

  it("stops at once where next to nothing is left", () => {
    expect(policy.decide(at(1000, 0)).action).toBe("stop-and-copy");
  });
});

describe("minimumPolicy", () => {
  const policy = minimumPolicy(POLICY_DEFAULTS);
  /** What is left after an iteration that dirtied so many pages a second of a second. */
  const left = (dirtyPages: number, dirtyPagesPerSecond: number, ...before: readonly number[]) => ({
    iterations: [
      ...before.map((dirty) => iteration(dirty)),
      iteration(dirtyPages, { dirtyPagesPerSecond }),
    ],
    dirtyPages,
    elapsedMs: 1000,
  });

  it("goes on while the next iteration should leave a tenth less", () => {
    // 500 pages take 500 ms, in which 900 a second make 450.
    expect(policy.decide(left(500, 900)).action).toBe("continue");
  });

  it("stops where it should not, near the least that was left", () => {
    expect(policy.decide(left(500, 901)).reason).toContain("at a minimum");
    expect(policy.decide(left(440, 1000, 400)).action).toBe("stop-and-copy");
  });

  it("waits while more is left than there was, for five iterations", () => {
    expect(policy.decide(left(441, 1000, 400)).action).toBe("continue");
    expect(policy.decide(left(700, 1000, 400, 700, 700, 700)).action).toBe("continue");
    const late = policy.decide(left(700, 1000, 400, 700, 700, 700, 700));
    expect(late.reason).toContain("nothing gained in 5 iterations");
  });

  it("obeys its bounds, and stops where next to nothing is left", () => {
    const bounded = minimumPolicy({ iterationsMax: 1, totalMsMax: 300_000 });
    expect(bounded.decide(left(500, 100)).reason).toContain("bound of 1 iterations");
    const hasty = minimumPolicy({ iterationsMax: 9, totalMsMax: 1000 });
    expect(hasty.decide(left(500, 100)).reason).toContain("bound of 1000 ms");
    expect(policy.decide(left(0, 0)).reason).toContain("next to nothing");
  });
});

describe("limitPolicy", () => {
  const policy = limitPolicy(300, { iterationsMax: 4, totalMsMax: 300_000 });

  it("stops at its limit or its bounds, and knows nothing else", () => {
    expect(policy.decide(statistics(301)).action).toBe("continue");
    expect(policy.decide(statistics(300)).action).toBe("stop-and-copy");
    expect(policy.decide(statistics(900, 900, 900)).action).toBe("continue");
    expect(policy.decide(statistics(900, 900, 900, 900)).reason).toContain("4 iterations");
  });
});
