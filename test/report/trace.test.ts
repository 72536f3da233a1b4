import { describe, expect, it } from "vitest";
import type { ReportInput } from "../../src/report/report-input.ts";
import { runsOfInputs } from "../../src/report/report-input.ts";
import { type TraceEvent, traceOf } from "../../src/report/trace.ts";
import { largeProfile, smallProfile, smallTargetProfile } from "../support/profiles.ts";

const SOURCE = {
  ...smallProfile(),
  events: [
    { atMs: 1, event: "precopy" },
    { atMs: 1124, event: "decision: stop-and-copy (few)" },
    { atMs: 1180, event: "suspend" },
    { atMs: 1200, event: "done" },
  ],
  samples: [
    { atMs: 10, bytes: 0, pages: 0 },
    { atMs: 110, bytes: 50_000_000, pages: 12_000 },
  ],
};

const TARGET = {
  ...smallTargetProfile(),
  events: [
    { atMs: 15, event: "memory" },
    { atMs: 1190, event: "started" },
  ],
  samples: [{ atMs: 25, bytes: 1000, pages: 1 }],
};

function traceOfProfiles(...profiles: readonly (typeof SOURCE | typeof TARGET)[]) {
  const inputs = profiles.map(
    (profile, index): ReportInput => ({ kind: "profile", file: `p${index}.json`, profile }),
  );
  return traceOf(runsOfInputs(inputs), "0.1.0");
}

/** Events of a process, metadata left out: track, name, start and length in milliseconds. */
function spansOf(events: readonly TraceEvent[], pid: number, track: string) {
  return events
    .filter((event) => event.pid === pid && event.cat === track && event.ph === "X")
    .map(({ name, ts, dur }) => [name, ts! / 1000, dur! / 1000]);
}

describe("a trace", () => {
  const { traceEvents, displayTimeUnit, otherData } = traceOfProfiles(SOURCE, TARGET);

  it("has a process for each end, with named tracks", () => {
    expect({ displayTimeUnit, otherData }).toEqual({
      displayTimeUnit: "ms",
      otherData: { xenferry: "0.1.0" },
    });
    const named = traceEvents.filter(({ ph, name }) => ph === "M" && name.endsWith("_name"));
    expect(named.map(({ pid, tid, args }) => [pid, tid, args!.name])).toEqual([
      [1, 0, "source: migrate of web (p0)"],
      [1, 1, "phases"],
      [1, 2, "iterations"],
      [1, 3, "parts of iterations"],
      [1, 4, "downtime"],
      [1, 5, "events"],
      [2, 0, "target: migrate of web (p0)"],
      [2, 1, "phases"],
      [2, 2, "iterations"],
      [2, 3, "parts of iterations"],
      [2, 4, "downtime"],
      [2, 5, "events"],
    ]);
  });

  it("has both ends on one clock, in microseconds", () => {
    expect(spansOf(traceEvents, 1, "phases")).toEqual([
      ["precopy", 1, 1179],
      ["suspend", 1180, 20],
      ["done", 1200, 0],
    ]);
    // It began 5 ms before the source.
    expect(spansOf(traceEvents, 2, "phases")).toEqual([
      ["memory", 10, 1175],
      ["started", 1185, 15],
    ]);
    expect(traceEvents.filter(({ ph }) => ph === "i")).toEqual([
      {
        ph: "i",
        pid: 1,
        tid: 5,
        cat: "events",
        name: "decision: stop-and-copy (few)",
        ts: 1_124_000,
        s: "t",
      },
    ]);
  });

  it("has iterations, and the parts of downtime one behind the other", () => {
    expect(spansOf(traceEvents, 1, "iterations")).toEqual([
      ["iteration 0", 10, 1002],
      ["iteration 1", 1012, 102],
      ["iteration 2", 1114, 12],
      ["iteration 3 (final)", 1185, 1],
    ]);
    expect(spansOf(traceEvents, 1, "downtime")).toEqual([
      ["suspend", 1180, 1],
      ["harvest", 1181, 4],
      ["final copy", 1185, 1],
      ["state", 1186, 2],
      ["hand-over", 1188, 3],
      ["resume", 1191, 9],
    ]);
    expect(spansOf(traceEvents, 1, "parts of iterations").slice(0, 3)).toEqual([
      ["scan", 10, 100],
      ["write", 110, 900],
      ["log-dirty", 1010, 2],
    ]);
  });

  it("has counters", () => {
    const values = traceEvents
      .filter(({ ph }) => ph === "C")
      .map(({ pid, name, ts, args }) => [pid, name, ts, args!.value]);
    expect(values.slice(0, 4)).toEqual([
      [1, "bandwidth (MB/s)", 10_000, 500],
      [1, "pages", 10_000, 0],
      [1, "bandwidth (MB/s)", 110_000, 0],
      [1, "pages", 110_000, 12_000],
    ]);
    expect(values.filter(([, name]) => name === "dirty pages").slice(0, 3)).toEqual([
      [1, "dirty pages", 10_000, 0],
      [1, "dirty pages", 1_012_000, 20_000],
      [1, "dirty pages", 1_012_000, 0],
    ]);
    expect(values.filter(([pid]) => pid === 2)).toEqual([
      [2, "bandwidth (MB/s)", 20_000, 0],
      [2, "pages", 20_000, 1],
    ]);
  });

  it("has nothing before its beginning, and nothing that ends before it begins", () => {
    const early = { ...TARGET, clock: { bootId: "boot", startMs: 700 } };
    const { traceEvents: events } = traceOfProfiles(SOURCE, early, largeProfile() as typeof SOURCE);
    const timed = events.filter(({ ph }) => ph !== "M");
    expect(timed.every(({ ts }) => Number.isFinite(ts) && ts! >= 0)).toBe(true);
    const spans = events.filter(({ ph }) => ph === "X");
    expect(spans.every(({ dur }) => Number.isFinite(dur) && dur! >= 0)).toBe(true);
    expect(new Set(events.map(({ pid }) => pid))).toEqual(new Set([1, 2, 3]));
    expect(spansOf(events, 1, "phases")[0]).toEqual(["precopy", 286, 1179]);
  });
});
