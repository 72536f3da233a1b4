import type { DirtyCurve } from "./dirty-curve.ts";

/** A span of time in which a guest may write, on the clock of its process. */
export interface DirtyWindow {
  readonly startMs: number;
  readonly durationMs: number;
  /** Share of their time that the vCPUs get: 1 unless the guest is slowed down. */
  readonly pace: number;
}

/** How a guest dirties its memory, as far as anybody can expect. */
export interface DirtyProcess {
  /**
   * Different pages written in a window: grows with it, and ever more slowly, for a page that is
   * written again counts once.
   */
  dirtyPages(window: DirtyWindow): number;
}

/** A guest that always writes as it did when its curve was measured. */
export function curveProcess(curve: DirtyCurve): DirtyProcess {
  return { dirtyPages: ({ durationMs, pace }) => curve(durationMs * pace) };
}

/** In which order pages of the working set are written; that of embedded guests. */
export type DirtyPattern = "sequential" | "uniform" | "zipf";

/** For so long a workload stores so many times as fast as it says. */
export interface WorkloadPhase {
  readonly durationMs: number;
  readonly rate: number;
}

/** A guest as its own description has it. */
export interface DirtyWorkload {
  readonly storesPerSecond: number;
  readonly pattern: DirtyPattern;
  readonly workingSetPages: number;
  /** Each has a share of the working set to itself. */
  readonly vcpus: number;
  /** One after the other, over and over; absent: always the same. */
  readonly phases?: readonly WorkloadPhase[] | undefined;
}

/** The process of a described workload: what is to be expected of its pattern. */
export function workloadProcess(workload: DirtyWorkload): DirtyProcess {
  const { storesPerSecond, pattern, workingSetPages, phases = [] } = workload;
  const vcpus = Math.min(workload.vcpus, workingSetPages);
  const pagesEach = workingSetPages / Math.max(1, vcpus);
  return {
    dirtyPages: ({ startMs, durationMs, pace }) => {
      const runMs = phasedMs(phases, startMs, durationMs) * pace;
      const storesEach = (storesPerSecond * runMs) / 1000 / Math.max(1, vcpus);
      return vcpus * DISTINCT[pattern](storesEach, pagesEach);
    },
  };
}

/** Expected different pages of `pages` after so many stores. */
const DISTINCT: Readonly<Record<DirtyPattern, (stores: number, pages: number) => number>> = {
  sequential: (stores, pages) => Math.min(stores, pages),
  uniform: (stores, pages) => pages * -Math.expm1(-stores / pages),
  zipf: distinctOfZipf,
};

/** Ranks are taken together in groups that each reach so much further than the one before. */
const ZIPF_GROUP_GROWTH = 1.05;

/** Rank k of n is chosen with probability ln(1 + 1/k) / ln(n + 1), as the embedded guests do. */
function distinctOfZipf(stores: number, pages: number): number {
  const scale = stores / Math.log(pages + 1);
  let distinct = 0;
  for (let first = 1; first <= pages; ) {
    const end = Math.min(pages + 1, Math.max(first + 1, Math.floor(first * ZIPF_GROUP_GROWTH)));
    const size = end - first;
    distinct += size * -Math.expm1((-scale * Math.log(end / first)) / size);
    first = end;
  }
  return distinct;
}

/** How long a guest without phases would take for what is done in this window (ms). */
function phasedMs(phases: readonly WorkloadPhase[], startMs: number, durationMs: number): number {
  return phases.length === 0
    ? durationMs
    : workUntil(phases, startMs + durationMs) - workUntil(phases, startMs);
}

function workUntil(phases: readonly WorkloadPhase[], atMs: number): number {
  const cycleMs = phases.reduce((sum, phase) => sum + phase.durationMs, 0);
  const cycleWork = phases.reduce((sum, phase) => sum + phase.durationMs * phase.rate, 0);
  const cycles = Math.floor(atMs / cycleMs);
  let leftMs = atMs - cycles * cycleMs;
  let work = cycles * cycleWork;
  for (const phase of phases) {
    const spentMs = Math.min(leftMs, phase.durationMs);
    work += spentMs * phase.rate;
    leftMs -= spentMs;
  }
  return work;
}
