import { PAGE_BYTES } from "../base/units.ts";
import type { ReportRun, Sample } from "./report-run.ts";

/** A value that holds from a time until the next point; `null` where there is none. */
export interface TimePoint {
  readonly atMs: number;
  readonly value: number | null;
}

/** What went over the wire and what the guest wrote, over time (octets a second). */
export interface Timeline {
  readonly bandwidth: readonly TimePoint[];
  readonly dirtyRate: readonly TimePoint[];
  /** Whether bandwidth is from samples, or one value an iteration. */
  readonly bandwidthFrom: "samples" | "iterations";
}

/** Puts together how fast pages were sent and became dirty. */
export function timelineOf(run: ReportRun): Timeline {
  const isSampled = run.samples.length > 2;
  return {
    bandwidth: isSampled ? ratesOfSamples(run.samples) : bandwidthOfIterations(run),
    dirtyRate: dirtyRates(run),
    bandwidthFrom: isSampled ? "samples" : "iterations",
  };
}

/** From each sample to the next: its rate, at the time of the first of the two. */
function ratesOfSamples(samples: readonly Sample[]): readonly TimePoint[] {
  const points = samples.slice(0, -1).flatMap((sample, index) => {
    const next = samples[index + 1]!;
    const spanMs = next.atMs - sample.atMs;
    return spanMs <= 0
      ? []
      : [{ atMs: sample.atMs, value: ((next.bytes - sample.bytes) * 1000) / spanMs }];
  });
  return [...points, { atMs: samples.at(-1)!.atMs, value: null }];
}

function bandwidthOfIterations({ iterations }: ReportRun): readonly TimePoint[] {
  return iterations.flatMap(({ startMs, sendMs, bytesPerSecond }) => [
    { atMs: startMs, value: bytesPerSecond },
    { atMs: startMs + sendMs, value: 0 },
  ]);
}

/** Within an iteration as its dirty curve rises; without one its mean. */
function dirtyRates({ iterations }: ReportRun): readonly TimePoint[] {
  return iterations.flatMap(({ phase, startMs, durationMs, dirtyPagesPerSecond, dirtyCurve }) => {
    const end = { atMs: startMs + durationMs, value: null };
    if (phase === "stop-and-copy") {
      return [];
    }
    if (dirtyCurve === undefined || dirtyCurve.length < 2) {
      return [{ atMs: startMs, value: dirtyPagesPerSecond * PAGE_BYTES }, end];
    }
    const rising = dirtyCurve.flatMap((point, index) => {
      const before = dirtyCurve[index - 1] ?? { atMs: startMs, dirtyPages: 0 };
      const spanMs = point.atMs - before.atMs;
      const pages = Math.max(0, point.dirtyPages - before.dirtyPages);
      return spanMs <= 0
        ? []
        : [{ atMs: before.atMs, value: (pages * PAGE_BYTES * 1000) / spanMs }];
    });
    return [...rising, end];
  });
}

/**
 * Brings series to common times, as charts want them: each value holds from its point on.
 *
 * @returns times, rising, then the values of each series at them.
 */
export function alignPoints(
  series: readonly (readonly TimePoint[])[],
): readonly [times: readonly number[], ...values: readonly (readonly (number | null)[])[]] {
  const times = [...new Set(series.flatMap((points) => points.map(({ atMs }) => atMs)))].sort(
    (one, other) => one - other,
  );
  const columns = series.map((points) => {
    let next = 0;
    let value: number | null = null;
    return times.map((time) => {
      while (next < points.length && points[next]!.atMs <= time) {
        value = points[next]!.value;
        next += 1;
      }
      return value;
    });
  });
  return [times, ...columns];
}
