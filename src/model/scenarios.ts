import { TRACE_VERSION, type Trace, type TraceWorkload } from "./trace.ts";

/** A guest at its work, described so that it can be simulated and, without its phases, be had. */
export type Scenario = Trace & {
  readonly linkBytesPerSecond: number;
  readonly workload: TraceWorkload;
};

const GIB = 2 ** 30;

/** What a link carries of which so many gigabits a second are said (octets a second). */
const gigabits = (count: number) => (count * 1e9 * 0.94) / 8;

/** Guests as they are met, from the quietest on. */
export const STANDARD_SCENARIOS: readonly Scenario[] = [
  {
    traceVersion: TRACE_VERSION,
    name: "idle",
    about: "nothing but timers and logs: 200 page stores a second, few pages most of them",
    memoryBytes: 4 * GIB,
    linkBytesPerSecond: gigabits(1),
    workload: { storesPerSecond: 200, pattern: "zipf", workingSetShare: 0.02, vcpus: 1 },
  },
  {
    traceVersion: TRACE_VERSION,
    name: "web",
    about: "requests that come in waves of 20 s over a skewed tenth of memory",
    memoryBytes: 8 * GIB,
    linkBytesPerSecond: gigabits(1),
    workload: {
      storesPerSecond: 12_000,
      pattern: "zipf",
      workingSetShare: 0.1,
      vcpus: 4,
      phases: [
        { durationMs: 8000, rate: 1.6 },
        { durationMs: 12_000, rate: 0.6 },
      ],
    },
  },
  {
    traceVersion: TRACE_VERSION,
    name: "database",
    about: "a buffer pool of a quarter of memory written at random, with a checkpoint every minute",
    memoryBytes: 32 * GIB,
    linkBytesPerSecond: gigabits(10),
    workload: {
      storesPerSecond: 120_000,
      pattern: "uniform",
      workingSetShare: 0.25,
      vcpus: 8,
      phases: [
        { durationMs: 50_000, rate: 0.7 },
        { durationMs: 10_000, rate: 2.5 },
      ],
    },
  },
  {
    traceVersion: TRACE_VERSION,
    name: "build",
    about: "compilers that write fresh memory one page after the other, then links and waits",
    memoryBytes: 8 * GIB,
    linkBytesPerSecond: gigabits(1),
    workload: {
      storesPerSecond: 24_000,
      pattern: "sequential",
      workingSetShare: 0.5,
      vcpus: 8,
      phases: [
        { durationMs: 15_000, rate: 1.4 },
        { durationMs: 10_000, rate: 0.1 },
      ],
    },
  },
  {
    traceVersion: TRACE_VERSION,
    name: "thrash",
    about: "four fifths of memory written at random, faster than any link carries",
    memoryBytes: 8 * GIB,
    linkBytesPerSecond: gigabits(10),
    workload: { storesPerSecond: 2_000_000, pattern: "uniform", workingSetShare: 0.8, vcpus: 8 },
  },
];

/** The same guest with so much memory, everything in proportion, so that all takes as long. */
export function scaledScenario(scenario: Scenario, memoryBytes: number): Scenario {
  const factor = memoryBytes / scenario.memoryBytes;
  const { workload } = scenario;
  return {
    ...scenario,
    memoryBytes,
    linkBytesPerSecond: scenario.linkBytesPerSecond * factor,
    workload: { ...workload, storesPerSecond: workload.storesPerSecond * factor },
  };
}

/** An embedded guest that does as the scenario says, as `create --guest` takes it; no phases. */
export function guestSpecOf({ memoryBytes, workload }: Scenario, kind = "process"): string {
  const { storesPerSecond, pattern, workingSetShare, vcpus } = workload;
  const dirty = `dirty=${Math.round(storesPerSecond)}p,hot=${workingSetShare * 100}%`;
  return `${kind}:memory=${memoryBytes},${dirty},pattern=${pattern},vcpus=${vcpus},fill=random`;
}
