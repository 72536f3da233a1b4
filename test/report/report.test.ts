import { describe, expect, test } from "vitest";
import { hotRegions, thinHeat } from "../../src/report/hot-regions.ts";
import { partsOf } from "../../src/report/iteration-parts.ts";
import { pageHtml } from "../../src/report/page-html.ts";
import { reportData } from "../../src/report/report-data.ts";
import { parseReportInput, runsOfInputs } from "../../src/report/report-input.ts";
import { runOfProfile } from "../../src/report/report-run.ts";
import { summarise } from "../../src/report/summary.ts";
import { curvesOf } from "../../src/report/sweep-curves.ts";
import { namedRuns, runsLeft, summariseSweep } from "../../src/report/sweep-summary.ts";
import { alignPoints, timelineOf } from "../../src/report/timeline.ts";
import { renderRun, renderSweep } from "../../src/report/tty.ts";
import {
  iteration,
  largeProfile,
  smallProfile,
  smallSweep,
  smallTargetProfile,
} from "../support/profiles.ts";

const inputOf = (value: object, file: string) => parseReportInput(JSON.stringify(value), file);

describe("a report's input", () => {
  test("is told by its version", () => {
    expect(inputOf(smallProfile(), "a.json").kind).toBe("profile");
    expect(inputOf(smallSweep(), "b.json").kind).toBe("sweep");
  });

  test.each([
    ["{", { problem: "it is not JSON" }],
    ["7", {}],
    ["{}", {}],
    ['{"profileVersion":2}', { field: "profileVersion" }],
    ['{"joinedProfileVersion":1}', { field: "operation" }],
    ['{"sweepVersion":1,"conditions":{}}', { field: "conditions.startedAt" }],
  ])("that is %s is refused with its place", (text, where) => {
    expect(() => parseReportInput(text, "x.json")).toThrow(
      expect.objectContaining({
        code: "REPORT_INPUT",
        where: expect.objectContaining({ file: "x.json", ...where }),
      }),
    );
  });

  test("may be a sweep that is not complete", () => {
    const { runs, ...head } = smallSweep();
    const lines = [head, runs[0]].map((value) => JSON.stringify(value));
    const input = parseReportInput(`${lines.join("\n")}\n{"cell":`, "r.json.partial");
    expect(input).toMatchObject({ kind: "sweep", sweep: { runs: [{ round: 0 }] } });
  });

  test("of both ends becomes one run on the source's clock", () => {
    const files = [
      inputOf(smallTargetProfile(), "there.json"),
      inputOf(smallProfile(), "here.json"),
    ];
    const [run, ...others] = runsOfInputs(files);
    expect(others).toEqual([]);
    expect(run).toMatchObject({ label: "here", operation: "migrate" });
    expect(run!.clock).toMatchObject({ method: "one machine", offsetMs: -5 });
    expect(run!.events).toContainEqual({ atMs: 10, by: "target", event: "first page" });
    expect(run!.usage).toMatchObject([{ end: "target", resources: { cpuSystemMs: 400 } }]);
  });

  test("of two machines, or other times, stays apart", () => {
    const source = inputOf(smallProfile(), "here.json");
    for (const clock of [
      { bootId: "other", startMs: 995 },
      { bootId: "boot", startMs: 9000 },
    ]) {
      const target = inputOf({ ...smallTargetProfile(), clock }, "there.json");
      expect(runsOfInputs([source, target])).toHaveLength(2);
    }
  });

  test("of the same name gets numbers", () => {
    const files = [inputOf(smallProfile(), "a/p.json"), inputOf(smallProfile(), "b/p.json")];
    expect(runsOfInputs(files).map(({ label }) => label)).toEqual(["p (1)", "p (2)"]);
  });
});

describe("a joined profile", () => {
  const { startMs: _start, ...rest } = iteration(0, { startMs: 0, pages: 10, sendMs: 8, dirty: 1 });
  const source = { ...smallProfile(), iterations: [{ ...rest, startMs: 3 }] };
  const joined = {
    joinedProfileVersion: 1,
    operation: "migrate",
    outcome: "completed",
    startedAt: "2026-11-25T12:00:00.000Z",
    xenferry: "0.1.0",
    xen: "4.17",
    guest: { name: "domain", domid: 3, targetDomid: 4 },
    host: "other",
    clock: { method: "round trips", offsetMs: 5, uncertaintyMs: 0.4 },
    events: [{ atMs: 100, by: "source", event: "started" }],
    source,
    totalMs: 2000,
  };

  test("has the source's times on the clock of xl", () => {
    const [run] = runsOfInputs([inputOf(joined, "j.json")]);
    expect(run).toMatchObject({ guestName: "domain", destination: "other", totalMs: 2000 });
    expect(run!.iterations[0]!.startMs).toBe(103);
    expect(summarise(run!).sentences.at(-1)).toBe("The target's clock is known to ±0.4 ms.");
  });

  test("in which no helper spoke is a run all the same", () => {
    const { source: _source, ...silent } = joined;
    const [run] = runsOfInputs([inputOf(silent, "j.json")]);
    expect(summarise(run!)).toMatchObject({ convergence: "none", precopyIterations: 0 });
  });
});

describe("a run", () => {
  const run = runOfProfile(smallProfile(), "small");

  test("is told in words", () => {
    expect(summarise(run).sentences).toEqual([
      "web (1.00 GiB) was migrated to tcp://10.0.0.2:4000 in 1.20 s.",
      "It stood still for 20.0 ms, 2 % of that; the longest part was resume: 9.0 ms, 45 %.",
      "3 iterations while it ran brought what was left from 262,144 to 200 pages.",
      "Pages were sent at 821 MB/s (median) and became dirty at up to 82 MB/s.",
      "Pre-copy ended because: downtime about 10.0 ms, within the target of 50 ms.",
      "1.09 GiB were sent, 1.09 times the guest's memory.",
      "100 % of the pages that had to be sent again lie in one region with 13 % of memory, from " +
        "frame 0x8000 on most of all.",
    ]);
  });

  test("that failed says so, with its code", () => {
    const { downtime: _none, ...rest } = smallProfile();
    const failed = { ...rest, outcome: "failed", errorCode: "TRANSPORT_LOST", iterations: [] };
    const { sentences } = summarise(runOfProfile(failed as never, "x"));
    expect(sentences[0]).toContain("failed after 1.20 s with TRANSPORT_LOST");
  });

  test("that gained nothing in its later half did not converge", () => {
    const profile = smallProfile();
    const dirty = [20_000, 20_500, 19_900, 20_100];
    const iterations = dirty.map((pages, index) =>
      iteration(index, { startMs: index * 100, pages: 20_000, sendMs: 90, dirty: pages }),
    );
    const { convergence, sentences } = summarise(runOfProfile({ ...profile, iterations }, "x"));
    expect(convergence).toBe("stalled");
    expect(sentences.join(" ")).toContain("it did not converge");
  });

  test("without times of its iterations has them one behind the other", () => {
    const profile = smallProfile();
    const iterations = profile.iterations.map(({ startMs: _start, ...rest }) => rest);
    const timed = runOfProfile({ ...profile, iterations }, "x");
    expect(timed.iterationTimes).toBe("put together");
    // 1200 - 20 + 1 + 4: the final copy follows suspension and harvest.
    expect(timed.iterations.map(({ startMs }) => startMs)).toEqual([0, 1002, 1104, 1185]);
    expect(timed.suspendAtMs).toBe(1180);
  });

  test("has bandwidth from its iterations, or from samples where there are any", () => {
    expect(timelineOf(run).bandwidth.slice(0, 2)).toEqual([
      { atMs: 10, value: 262_144 * 4104 },
      { atMs: 1010, value: 0 },
    ]);
    const samples = [0, 100, 200, 200].map((atMs, index) => ({
      atMs,
      bytes: index * 1000,
      pages: 0,
    }));
    const sampled = timelineOf({ ...run, samples });
    expect(sampled.bandwidthFrom).toBe("samples");
    expect(sampled.bandwidth).toEqual([
      { atMs: 0, value: 10_000 },
      { atMs: 100, value: 10_000 },
      { atMs: 200, value: null },
    ]);
  });

  test("fits a terminal, in ASCII too", () => {
    const unicode = renderRun(run, { width: 100, characters: "unicode" });
    expect(unicode).toContain("resume      ██████████████████");
    const ascii = renderRun(
      { ...run, guestName: "\u001b[31mred" },
      { width: 80, characters: "ascii" },
    );
    expect(ascii).toMatch(/^[\n\x20-\x7e]*$/);
    expect(ascii).toContain("resume      #########");
    const long = renderRun(runOfProfile(largeProfile(), "l"), { width: 100, characters: "ascii" });
    expect(long).toContain("81 more");
  });
});

test("an iteration's parts add up to its duration", () => {
  const whole = iteration(0, { startMs: 0, pages: 100, sendMs: 100, dirty: 1 });
  const parts = { mapMs: 10, writeMs: 200, waitMs: 40, drainMs: 5 };
  for (const entry of [whole, { ...whole, parts }, { ...whole, sendMs: 0, logDirtyMs: 500 }]) {
    const sum = [...partsOf(entry).values()].reduce((total, ms) => total + ms, 0);
    expect(sum).toBeCloseTo(Math.max(entry.durationMs, entry.sendMs), 9);
  }
  // Threads did 260 ms of work in the 95 ms before the drain.
  expect(partsOf({ ...whole, parts }).get("write")).toBeCloseTo((200 * 95) / 260, 9);
});

test("series are brought to common times", () => {
  const first = [
    { atMs: 0, value: 1 },
    { atMs: 10, value: null },
  ];
  const second = [{ atMs: 5, value: 7 }];
  expect(alignPoints([first, second])).toEqual([
    [0, 5, 10],
    [1, 1, null],
    [null, 7, 7],
  ]);
});

describe("heat", () => {
  const row = (iterationNumber: number, dirtyPages: number[]) => ({
    iteration: iterationNumber,
    dirtyPages,
  });

  test("has its hot regions named, the most written first", () => {
    const heat = {
      pfnsPerCell: 16,
      rows: [row(0, [16, 16, 16, 16, 16, 16, 16, 16]), row(1, [0, 4, 4, 0, 0, 0, 0, 12])],
    };
    expect(hotRegions(heat)).toMatchObject([
      {
        name: "A",
        firstPfn: 112,
        lastPfn: 127,
        dirtyShare: 0.6,
        memoryShare: 0.125,
        iterations: 1,
      },
      { name: "B", firstPfn: 16, lastPfn: 47, dirtyShare: 0.4, memoryShare: 0.25 },
    ]);
  });

  test("that is even, or nothing, has none", () => {
    expect(hotRegions({ pfnsPerCell: 1, rows: [row(1, [3, 3, 3])] })).toEqual([]);
    expect(hotRegions({ pfnsPerCell: 1, rows: [row(0, [3, 3, 9])] })).toEqual([]);
    expect(hotRegions({ pfnsPerCell: 1, rows: [] })).toEqual([]);
  });

  test("is made smaller without losing a page", () => {
    const heat = { pfnsPerCell: 2, rows: [0, 1, 2].map((number) => row(number, [1, 2, 3, 4, 5])) };
    const thin = thinHeat(heat, { cellsMax: 4 });
    expect(thin.rows.flatMap(({ dirtyPages }) => dirtyPages).reduce((a, b) => a + b)).toBe(45);
    expect(thin.rows.length * thin.rows[0]!.dirtyPages.length).toBeLessThanOrEqual(4);
  });
});

describe("a sweep", () => {
  test("is summed up without warm-up and bad runs", () => {
    const [idle, slow] = summariseSweep(smallSweep());
    // Rounds 1 to 4 and 1 to 5: 10 ms, 1 more each round, and a hundredth of the stores.
    expect(idle).toMatchObject({ runs: 4, bad: 1 });
    expect(idle!.figures!.downtimeMs).toMatchObject({ median: 12.5, low: 11, high: 14 });
    expect(slow!.figures!.downtimeMs).toMatchObject({ median: 63, confidence: 0.9375 });
  });

  test("names bad and disturbed runs, and says what is missing", () => {
    const sweep = smallSweep();
    const disturbed = { ...sweep.runs[0]!, stolenShare: 0.25 };
    expect(namedRuns({ ...sweep, runs: [disturbed, sweep.runs.at(-1)!] })).toMatchObject([
      { round: 0, why: "disturbed: other machines had 25 % of the processors" },
      { round: 5, why: "the connection or file failed while in use [TRANSPORT_LOST]" },
    ]);
    expect(runsLeft(sweep)).toBe(0);
    expect(runsLeft({ ...sweep, runs: [] })).toBe(48);
  });

  test("makes curves of cells that differ in their rate alone", () => {
    const curves = curvesOf(summariseSweep(smallSweep()));
    expect(curves.map(({ name }) => name)).toEqual(["downtime", "xen"]);
    expect(curves[0]!.points.map(({ rate }) => rate)).toEqual([
      0, 20_480_000, 81_920_000, 163_840_000,
    ]);
  });

  test("fits a terminal", () => {
    const text = renderSweep(smallSweep(), { width: 100, characters: "ascii" });
    expect(text).toContain("5000 pages/s, downtime      5    0   63.0 ms    61.0 ms - 65.0 ms");
    expect(text).toContain("0 pages/s, downtime, round 5: the connection");
  });
});

describe("a page", () => {
  const parts = { script: "main()", style: "body{}" };

  test("has data in it that ends nothing", () => {
    const runs = [runOfProfile(smallProfile(), "</script><!--<script>\u2028")];
    const title = "</title><b>";
    const data = reportData({ title, madeAt: "now", xenferry: "0", runs, sweeps: [] });
    const html = pageHtml(data, parts);
    expect(html.match(/<\/script>/g)).toHaveLength(2);
    expect(html).not.toContain("<b>");
    const [, json] = /id="report-data">(.*?)<\/script>/s.exec(html)!;
    expect(JSON.parse(json!)).toMatchObject({ title, runs: [{ label: runs[0]!.label }] });
  });

  test("of many runs has less of each", () => {
    const runs = Array.from({ length: 30 }, (_, index) => runOfProfile(largeProfile(), `${index}`));
    const data = reportData({ title: "", madeAt: "", xenferry: "", runs, sweeps: [] });
    expect(pageHtml(data, parts).length).toBeLessThan(4e6);
    expect(data.runs[29]!.samples.at(-1)!.atMs).toBe(runs[29]!.samples.at(-1)!.atMs);
  });
});
