import { PAGE_BYTES } from "../base/units.ts";
import type { ReportRun, TimedIteration } from "../report/report-run.ts";
import { medianOf } from "../report/statistics.ts";

/** Circumstances that a run might have had. */
export interface Question {
  readonly bytesPerSecond: number;
  readonly downtimeTargetMs: number;
  readonly policy: string;
}

/** What the model says would have come of them. */
export interface Answer {
  readonly totalMs: number;
  readonly downtimeMs: number;
  readonly totalBytes: number;
  readonly iterations: readonly {
    readonly pages: number;
    readonly durationMs: number;
    readonly dirtyPagesAtEnd: number;
  }[];
  readonly stopReason: string;
}

/** A run's model: what it was, and what else it might have been. */
export interface WhatIf {
  readonly policies: readonly string[];
  /** As the run was. */
  readonly asMeasured: Question;
  ask(question: Question): Answer;
}

/** Octets on the wire for each page: data and pfn word. */
const WIRE_PAGE_BYTES = PAGE_BYTES + 8;
const DOWNTIME_TARGET_USUAL_MS = 50;
const ITERATIONS_MAX = 30;
const XEN_ITERATIONS_MAX = 5;
const XEN_DIRTY_PAGES_TARGET = 50;

/** A model of a live migration; undefined where nothing was sent while the guest ran. */
export function whatIfOf(run: ReportRun): WhatIf | undefined {
  const precopy = run.iterations.filter(({ phase }) => phase === "precopy");
  const rates = precopy
    .filter(({ pagesSent, bytesPerSecond }) => pagesSent > 0 && bytesPerSecond > 0)
    .map(({ bytesPerSecond }) => bytesPerSecond);
  if (rates.length === 0 || run.downtime === undefined) {
    return undefined;
  }
  const { downtime } = run;
  const first = precopy[0]!;
  const parts = {
    pages: first.pagesSent,
    distinctPages: dirtyGrowth(precopy),
    logDirtyMs: medianOf(precopy.map(({ logDirtyMs }) => logDirtyMs)),
    fixedMs: downtime.totalMs - downtime.finalCopyMs,
  };
  return {
    policies: ["downtime", "xen"],
    asMeasured: {
      bytesPerSecond: medianOf(rates),
      downtimeTargetMs: run.policy?.parameters.downtimeTargetMs ?? DOWNTIME_TARGET_USUAL_MS,
      policy: run.policy?.name ?? "downtime",
    },
    ask: (question) => play(parts, question),
  };
}

interface Parts {
  readonly pages: number;
  readonly distinctPages: (overMs: number) => number;
  readonly logDirtyMs: number;
  readonly fixedMs: number;
}

function play(parts: Parts, question: Question): Answer {
  const copyMs = (pages: number) => (pages * WIRE_PAGE_BYTES * 1000) / question.bytesPerSecond;
  const iterations: Answer["iterations"][number][] = [];
  let pages = parts.pages;
  let stopReason: string | undefined;
  while (stopReason === undefined) {
    const durationMs = copyMs(pages) + parts.logDirtyMs;
    const dirtyPagesAtEnd = parts.distinctPages(durationMs);
    iterations.push({ pages, durationMs, dirtyPagesAtEnd });
    pages = dirtyPagesAtEnd;
    stopReason = stop(question, {
      pages,
      count: iterations.length,
      downtimeMs: copyMs(pages) + parts.fixedMs,
    });
  }
  const downtimeMs = copyMs(pages) + parts.fixedMs;
  const precopyMs = iterations.reduce((sum, { durationMs }) => sum + durationMs, 0);
  const sent = iterations.reduce((sum, entry) => sum + entry.pages, pages);
  return {
    totalMs: precopyMs + downtimeMs,
    downtimeMs,
    totalBytes: sent * WIRE_PAGE_BYTES,
    iterations,
    stopReason,
  };
}

function stop(
  { policy, downtimeTargetMs }: Question,
  now: { readonly pages: number; readonly count: number; readonly downtimeMs: number },
): string | undefined {
  if (policy === "xen") {
    return now.pages < XEN_DIRTY_PAGES_TARGET
      ? `fewer than ${XEN_DIRTY_PAGES_TARGET} dirty pages`
      : now.count >= XEN_ITERATIONS_MAX
        ? `${XEN_ITERATIONS_MAX} iterations`
        : undefined;
  }
  return now.downtimeMs <= downtimeTargetMs
    ? `within the target of ${downtimeTargetMs} ms`
    : now.count >= ITERATIONS_MAX
      ? `bound of ${ITERATIONS_MAX} iterations`
      : undefined;
}

/** Pages that become dirty in a stretch of time, by what was seen; never less for longer ones. */
function dirtyGrowth(precopy: readonly TimedIteration[]): (overMs: number) => number {
  const seen = precopy.flatMap(({ durationMs, dirtyPagesAtEnd, dirtyCurve = [] }) => [
    ...dirtyCurve.map(({ atMs, dirtyPages }) => ({ atMs, dirtyPages })),
    ...(dirtyPagesAtEnd === "unknown" ? [] : [{ atMs: durationMs, dirtyPages: dirtyPagesAtEnd }]),
  ]);
  const points = [{ atMs: 0, dirtyPages: 0 }, ...seen].sort((one, other) => one.atMs - other.atMs);
  let most = 0;
  const rising = points.map(({ atMs, dirtyPages }) => {
    most = Math.max(most, dirtyPages);
    return { atMs, dirtyPages: most };
  });
  return (overMs) => {
    const next = rising.findIndex(({ atMs }) => atMs >= overMs);
    if (next === -1) {
      return rising.at(-1)!.dirtyPages;
    }
    const [low, high] = [rising[Math.max(0, next - 1)]!, rising[next]!];
    const span = high.atMs - low.atMs;
    const share = span === 0 ? 1 : (overMs - low.atMs) / span;
    return Math.round(low.dirtyPages + (high.dirtyPages - low.dirtyPages) * share);
  };
}
