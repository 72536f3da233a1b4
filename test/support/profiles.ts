import type { Profile } from "../../src/report/profile.ts";
import type { Sweep, SweepCell, SweepFigures, SweepRun } from "../../src/report/sweep-result.ts";

type Iteration = Profile["iterations"][number];

const MIB = 2 ** 20;
const WIRE_PAGE_BYTES = 4104;

/** An iteration that sent `pages` pages in `sendMs`, and then asked which `dirty` pages were. */
export function iteration(
  number: number,
  { startMs, pages, sendMs, dirty }: Record<"startMs" | "pages" | "sendMs" | "dirty", number>,
): Iteration {
  const bytes = pages * WIRE_PAGE_BYTES;
  const durationMs = sendMs + 2;
  return {
    iteration: number,
    phase: "precopy",
    pagesPlanned: pages,
    pagesSent: pages,
    pagesAllocateOnly: 0,
    pagesDeferred: 0,
    pagesUnchanged: 0,
    bytes,
    dirtyPagesAtEnd: dirty,
    scanMs: sendMs / 10,
    sendMs,
    logDirtyMs: 2,
    durationMs,
    bytesPerSecond: (bytes * 1000) / sendMs,
    dirtyPagesPerSecond: (dirty * 1000) / durationMs,
    startMs,
  };
}

/**
 * A guest of 1 GiB that was moved in 1.2 s: 262,144 pages, then 20,000, 2,000 and, while it stood
 * still for 20 ms from 1,180 ms on, 200.
 */
export function smallProfile(): Profile {
  const iterations = [
    iteration(0, { startMs: 10, pages: 262_144, sendMs: 1000, dirty: 20_000 }),
    iteration(1, { startMs: 1012, pages: 20_000, sendMs: 100, dirty: 2000 }),
    iteration(2, { startMs: 1114, pages: 2000, sendMs: 10, dirty: 200 }),
  ];
  const final: Iteration = {
    ...iteration(3, { startMs: 1185, pages: 200, sendMs: 1, dirty: 0 }),
    phase: "stop-and-copy",
    dirtyPagesAtEnd: "unknown",
    logDirtyMs: 0,
    durationMs: 1,
    dirtyPagesPerSecond: 0,
  };
  return {
    profileVersion: 1,
    operation: "migrate",
    outcome: "completed",
    startedAt: "2026-11-25T12:00:00.000Z",
    machine: {
      platform: "linux",
      kernel: "6.18.0",
      arch: "x64",
      cpu: "a processor",
      cpuCount: 2,
      node: "v20.19.0",
    },
    xenferry: "0.1.0",
    engine: { name: "native", variants: {} },
    guest: {
      name: "web",
      kind: "process",
      memoryBytes: 1024 * MIB,
      vcpus: 2,
      logDirty: "software",
    },
    mode: "live",
    pump: "native",
    policy: { name: "downtime", parameters: { downtimeTargetMs: 50, iterationsMax: 30 } },
    stopReason: "downtime about 10.0 ms, within the target of 50 ms",
    target: "tcp://10.0.0.2:4000",
    iterations: [...iterations, final],
    downtime: {
      suspendMs: 1,
      harvestMs: 4,
      finalCopyMs: 1,
      stateMs: 2,
      handoverMs: 3,
      resumeMs: 9,
      totalMs: 20,
    },
    totalMs: 1200,
    totalBytes: 284_344 * WIRE_PAGE_BYTES,
    totalPagesSent: 284_344,
    clock: { bootId: "boot", startMs: 1000 },
    heat: {
      pfnsPerCell: 4096,
      rows: [
        { iteration: 0, dirtyPages: Array.from({ length: 64 }, () => 4096) },
        { iteration: 1, dirtyPages: heatRow(20_000) },
        { iteration: 2, dirtyPages: heatRow(2000) },
      ],
    },
  };
}

/** All pages in cells 8 to 15 of 64. */
function heatRow(pages: number): number[] {
  return Array.from({ length: 64 }, (_, cell) => (cell >= 8 && cell < 16 ? pages / 8 : 0));
}

/** The target's profile of {@link smallProfile}, on the same machine, begun 5 ms before it. */
export function smallTargetProfile(): Profile {
  const { policy, stopReason, downtime, heat, ...rest } = smallProfile();
  return {
    ...rest,
    operation: "receive",
    guest: { ...rest.guest, name: "web--incoming" },
    target: "here",
    iterations: [],
    totalMs: 1210,
    clock: { bootId: "boot", startMs: 995 },
    events: [{ atMs: 15, event: "first page" }],
    resources: { cpuUserMs: 100, cpuSystemMs: 400, memoryBytesMax: 110 * MIB },
  };
}

/** As much as 100 iterations of a guest of 64 GiB may tell, with all that is optional. */
export function largeProfile(): Profile {
  const small = smallProfile();
  const pageCount = 16 * MIB;
  const cells = 512;
  const iterations: Iteration[] = [];
  let startMs = 20;
  for (let number = 0; number < 100; number++) {
    const pages = number === 0 ? pageCount : Math.round(900_000 * 0.97 ** number) + 20_000;
    const sendMs = pages / 250;
    const dirty = Math.round(900_000 * 0.97 ** (number + 1)) + 20_000;
    const entry = iteration(number, { startMs, pages, sendMs, dirty });
    const dirtyCurve = Array.from({ length: 40 }, (_, index) => ({
      atMs: startMs + (entry.durationMs * (index + 1)) / 40,
      dirtyPages: Math.round(
        (dirty * (1 - Math.exp(-(index + 1) / 15))) / (1 - Math.exp(-40 / 15)),
      ),
    }));
    const parts = { mapMs: sendMs * 0.05, writeMs: sendMs * 0.6, waitMs: sendMs * 0.2, drainMs: 1 };
    iterations.push({ ...entry, dirtyCurve, parts });
    startMs += entry.durationMs;
  }
  const final: Iteration = { ...small.iterations.at(-1)!, iteration: 100, startMs: startMs + 5 };
  const totalMs = startMs + 20;
  return {
    ...small,
    guest: { ...small.guest, name: "large", memoryBytes: 65_536 * MIB, vcpus: 16 },
    iterations: [...iterations, final],
    totalMs,
    totalBytes: iterations.reduce((sum, { bytes }) => sum + bytes, final.bytes),
    totalPagesSent: iterations.reduce((sum, { pagesSent }) => sum + pagesSent, final.pagesSent),
    clock: { bootId: "boot", startMs: 1000 },
    samples: Array.from({ length: 1000 }, (_, index) => ({
      atMs: (totalMs * index) / 999,
      bytes: Math.round(1e9 * (totalMs / 1000) * (index / 999 + 0.002 * Math.sin(index / 5))),
      pages: index * 1000,
    })).map((sample) => ({ ...sample, bytes: Math.max(0, sample.bytes) })),
    events: Array.from({ length: 1000 }, (_, index) => ({
      atMs: (totalMs * index) / 1000,
      event: `decision: continue (downtime about ${1000 - index} ms, above the target)`,
    })),
    heat: {
      pfnsPerCell: pageCount / cells,
      rows: Array.from({ length: 100 }, (_, row) => ({
        iteration: row,
        dirtyPages: Array.from({ length: cells }, (_unused, cell) => largeHeat(row, cell)),
      })),
    },
    resources: { cpuUserMs: 41_000, cpuSystemMs: 60_000, memoryBytesMax: 180 * MIB },
  };
}

/** Everything at first; then a large region, a small one that is hotter, and a few strays. */
function largeHeat(row: number, cell: number): number {
  if (row === 0) {
    return 32_768;
  }
  const fading = 0.97 ** row;
  const stray = (row * 31 + cell * 17) % 97 === 0 ? 12 : 0;
  if (cell >= 60 && cell < 140) {
    return Math.round(9000 * fading) + ((cell * 7919 + row) % 500);
  }
  return cell >= 400 && cell < 408 ? 30_000 - row * 20 : stray;
}

/** A cell of a sweep: a guest of 256 MiB that stores to so many pages a second. */
export function sweepCell(storesPerSecond: number, policy: string): SweepCell {
  return {
    id: `uniform, ${storesPerSecond} pages/s, ${policy}`,
    scenario: "curve",
    guest: `process:memory=256M,dirty=${storesPerSecond}p`,
    kind: "process",
    memoryBytes: 256 * MIB,
    workingSetPages: 16_384,
    vcpus: 1,
    pattern: "uniform",
    storesPerSecond,
    linkBytesPerSecond: 125e6,
    policy,
    downtimeTargetMs: 50,
    engine: "native",
  };
}

/** What a migration came to that took so long and stood still for so long. */
export function sweepFigures(totalMs: number, downtimeMs: number): SweepFigures {
  return {
    totalMs,
    downtimeMs,
    suspendMs: 1,
    harvestMs: 1,
    finalCopyMs: Math.max(0, downtimeMs - 5),
    stateMs: 1,
    handoverMs: 1,
    resumeMs: 1,
    iterations: 4,
    bytes: Math.round(totalMs * 125e3),
    firstBytes: 65_536 * WIRE_PAGE_BYTES,
    pagesSent: 70_000,
    finalPages: 100,
    bytesPerSecond: 125e6,
    measuredStoresPerSecond: 1000,
  };
}

/** A sweep of four rates and two policies, five rounds of each and one to warm up. */
export function smallSweep(): Sweep {
  const rates = [0, 5000, 20_000, 40_000];
  const cells = ["downtime", "xen"].flatMap((policy) =>
    rates.map((rate) => sweepCell(rate, policy)),
  );
  const rounds = [0, 1, 2, 3, 4, 5];
  const runs = rounds.flatMap((round) =>
    cells.map(({ id, storesPerSecond, policy }): SweepRun => {
      const downtimeMs = (policy === "xen" ? 30 : 10) + storesPerSecond / 100 + round;
      const figures = sweepFigures(2200 + storesPerSecond / 20 + round * 10, downtimeMs);
      const startedAt = "2026-11-25T12:00:00.000Z";
      return { cell: id, round, startedAt, outcome: "proven", figures };
    }),
  );
  const [first, ...others] = runs;
  const bad: SweepRun = {
    ...first!,
    round: 5,
    outcome: "bad",
    code: "TRANSPORT_LOST",
    reason: "the connection or file failed while in use",
  };
  const { figures: _none, ...badRun } = bad;
  return {
    sweepVersion: 1,
    conditions: {
      startedAt: "2026-11-25T12:00:00.000Z",
      xenferry: "0.1.0",
      machine: {
        cpu: "a processor",
        cpuCount: 2,
        memoryBytes: 8192 * MIB,
        kernel: "Linux 6.18.0",
        arch: "x64",
        node: "v20.19.0",
      },
    },
    plan: { name: "small", cells, rounds: 5, warmUp: 1 },
    runs: [
      first!,
      ...others.filter(({ cell, round }) => cell !== first!.cell || round !== 5),
      badRun,
    ],
  };
}
