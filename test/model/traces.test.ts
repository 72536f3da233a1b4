import { describe, expect, test } from "vitest";
import { parseGuestSpec } from "../../src/guest/config.ts";
import { comparePolicies, usualLimit } from "../../src/model/compare.ts";
import { POLICY_NAMES, policyNamed } from "../../src/model/policies/choose.ts";
import { POLICY_DEFAULTS } from "../../src/model/policy.ts";
import { TOTAL_WEIGHT } from "../../src/model/regret.ts";
import { guestSpecOf, STANDARD_SCENARIOS, scaledScenario } from "../../src/model/scenarios.ts";
import { parseTrace } from "../../src/model/trace-file.ts";
import { iterationsOf, missingOf } from "../../src/model/trace-source.ts";
import { PUBLIC_TRACES } from "../../src/model/traces/index.ts";

const policies = [
  ...POLICY_NAMES.map((name) => policyNamed(name, POLICY_DEFAULTS)),
  usualLimit(POLICY_DEFAULTS),
];

/** Regret by policy. */
function regrets(trace: (typeof STANDARD_SCENARIOS)[number] | (typeof PUBLIC_TRACES)[number]) {
  const { results } = comparePolicies(trace, policies, { weight: TOTAL_WEIGHT });
  return Object.fromEntries(results.map(({ policy, regretMs }) => [policy, regretMs!]));
}

describe("standard scenarios", () => {
  test("are the five", () => {
    const names = STANDARD_SCENARIOS.map(({ name }) => name);
    expect(names).toEqual(["idle", "web", "database", "build", "thrash"]);
  });

  test.each(STANDARD_SCENARIOS)("$name: ours is ahead of Xen's rule", (scenario) => {
    const { downtime, xen } = regrets(scenario);
    expect(downtime).toBeLessThan(xen!);
  });

  test("ours is ahead of a fixed limit of 300 ms in most", () => {
    const ahead = STANDARD_SCENARIOS.filter((scenario) => {
      const { downtime, limit } = regrets(scenario);
      return downtime! < limit!;
    });
    expect(ahead.length).toBeGreaterThan(STANDARD_SCENARIOS.length / 2);
  });

  test("take as long with less memory", () => {
    const [database] = STANDARD_SCENARIOS.filter(({ name }) => name === "database");
    const small = scaledScenario(database!, database!.memoryBytes / 64);
    const [big, little] = [database!, small].map((it) => iterationsOf(it).next(1)!.durationMs);
    expect(little! / big!).toBeCloseTo(1, 2);
    expect(small.workload.storesPerSecond).toBe(1875);
  });

  test("can be had as embedded guests", () => {
    for (const scenario of STANDARD_SCENARIOS) {
      const config = parseGuestSpec(guestSpecOf(scaledScenario(scenario, 256 * 2 ** 20)));
      const { pattern, vcpus } = scenario.workload;
      expect(config).toMatchObject({ kind: "process", vcpus, workload: { pattern } });
    }
    const [idle] = STANDARD_SCENARIOS;
    expect(parseGuestSpec(guestSpecOf(idle!)).workload).toMatchObject({
      storesPerSecond: 200,
      workingSetPages: 20_971,
    });
  });
});

describe("public traces", () => {
  test("name where they are from, and what is assumed", () => {
    for (const { source, assumed } of PUBLIC_TRACES) {
      expect(source).toMatch(/github\.com|QEMU commit/);
      expect(assumed).not.toBe("");
    }
  });

  test.each(PUBLIC_TRACES)("$name: ours is not behind Xen's rule", (trace) => {
    const { downtime, xen } = regrets(trace);
    expect(downtime).toBeLessThanOrEqual(xen!);
  });

  test("have the iterations that were published", () => {
    const [cloud] = PUBLIC_TRACES;
    const source = iterationsOf(cloud!);
    expect(source.next(1)).toMatchObject({ pagesSent: 1_572_864, dirtyPagesAtEnd: 1_387_008 });
    const [, loop] = PUBLIC_TRACES;
    const unbounded = iterationsOf(loop!);
    let [count, pages] = [0, 0];
    for (let it = unbounded.next(1); it !== undefined; it = unbounded.next(1)) {
      count += 1;
      pages += it.pagesSent;
    }
    expect(count).toBe(4003);
    expect(pages / 18_645_757).toBeCloseTo(1, 3);
  });
});

const RECORDED = {
  traceVersion: 1,
  name: "mine",
  memoryBytes: 40_960_000,
  handoverMs: 4,
  iterations: [
    { bytes: 40_960_000, durationMs: 1000, dirtyBytes: 4_096_000 },
    { bytes: 4_096_000, durationMs: 100, dirtyBytes: 409_600, repeat: 2 },
  ],
};

const parse = (content: unknown) => parseTrace(JSON.stringify(content), "mine.json");

describe("a trace's file", () => {
  test("may hold iterations, which are replayed", () => {
    const source = iterationsOf(parse(RECORDED));
    expect(source.next(1)).toMatchObject({ pagesSent: 10_000, dirtyPagesAtEnd: 1000 });
    // 1,000 pages of 4,104 octets and a head, at 40.96 MB/s.
    expect(source.stopHere().finalCopyMs).toBeCloseTo(100.2, 1);
    expect(source.stopHere().downtimeMs).toBeCloseTo(104.2, 1);
    expect(source.next(1)?.dirtyPagesAtEnd).toBe(100);
    expect(source.next(1)?.dirtyPagesAtEnd).toBe(100);
    expect(source.next(1)).toBeUndefined();
  });

  test("is modelled from what was recorded on another link", () => {
    const source = iterationsOf(parse(RECORDED), { bytesPerSecond: 81_920_000 });
    const first = source.next(1)!;
    expect(first.durationMs).toBeGreaterThan(500);
    expect(first.durationMs).toBeLessThan(502);
    expect(first.dirtyPagesAtEnd).toBeGreaterThan(100);
    expect(first.dirtyPagesAtEnd).toBeLessThan(1000);
  });

  test("may hold a dirty curve, or a workload, and then needs a link", () => {
    const { iterations: _, ...rest } = RECORDED;
    const curve = parse({ ...rest, dirtyCurve: [{ windowMs: 1000, dirtyBytes: 4096 }] });
    expect(missingOf(curve, {})).toContain("linkBytesPerSecond");
    expect(missingOf(curve, { bytesPerSecond: 1 })).toBeUndefined();
    const workload = { storesPerSecond: 10, pattern: "uniform", workingSetShare: 0.5 };
    const scenario = parse({ ...rest, workload, linkBytesPerSecond: 40_960_000 });
    expect(iterationsOf(scenario).next(1)!.dirtyPagesAtEnd).toBe(10);
  });

  test.each([
    ["no JSON", "{", {}],
    ["nothing of a trace", "{}", {}],
    [
      "another version",
      JSON.stringify({ ...RECORDED, traceVersion: 2 }),
      { field: "traceVersion" },
    ],
    ["unknown fields", JSON.stringify({ ...RECORDED, bandwidth: 1 }), {}],
    ["no iterations", JSON.stringify({ ...RECORDED, iterations: [] }), { field: "iterations" }],
    [
      "two kinds of content",
      JSON.stringify({ ...RECORDED, dirtyCurve: [{ windowMs: 1, dirtyBytes: 1 }] }),
      {},
    ],
    [
      "an iteration without time",
      JSON.stringify({ ...RECORDED, iterations: [{ bytes: 1, durationMs: 0, dirtyBytes: 0 }] }),
      { field: "iterations.0.durationMs" },
    ],
  ])("is refused with %s", (_, text, where) => {
    expect(() => parseTrace(text, "mine.json")).toThrow(
      expect.objectContaining({
        code: "TRACE_INVALID",
        where: expect.objectContaining({ file: "mine.json", ...where }),
      }),
    );
  });
});
