import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseGuestSpec } from "../../src/guest/config.ts";
import type { Sweep, SweepRun } from "../../src/report/sweep-result.ts";
import { compareSweeps } from "../../src/sweep/compare.ts";
import { csvOf } from "../../src/sweep/csv.ts";
import {
  CURVE_SCENARIO,
  cellsOf,
  GIGABIT_BYTES,
  planOf,
  type SweepAxes,
  standardCells,
} from "../../src/sweep/plan.ts";
import { journalOf, ResultsFile } from "../../src/sweep/results-file.ts";
import { tasksLeft } from "../../src/sweep/tasks.ts";
import { smallSweep, sweepFigures } from "../support/profiles.ts";

const MIB = 2 ** 20;
const AXES: SweepAxes = {
  scenarios: [CURVE_SCENARIO],
  memoryBytes: [64 * MIB],
  linkBytesPerSecond: [GIGABIT_BYTES],
  storesPerSecond: [0, 1000],
  patterns: ["uniform", "zipf"],
  policies: ["downtime", "xen"],
  downtimeTargetMs: [50],
  engines: ["native"],
  kind: "process",
  vcpusMax: 2,
};

describe("a plan", () => {
  test("has every combination once, named by what it is", () => {
    const cells = cellsOf({ ...AXES, scenarios: [CURVE_SCENARIO, CURVE_SCENARIO] });
    expect(cells).toHaveLength(8);
    expect(cells[0]!.id).toBe("curve, uniform 0 MB/s, 64 MiB, 117.5 MB/s, downtime 50, native");
    expect(new Set(cells.map(({ id }) => id)).size).toBe(8);
  });

  test("has a scenario's guest store as much for each octet that its link carries", () => {
    const workload = { ...CURVE_SCENARIO.workload, storesPerSecond: 1000, vcpus: 8 };
    const scenario = { ...CURVE_SCENARIO, linkBytesPerSecond: 10e6, workload };
    const own = { ...AXES, scenarios: [scenario], storesPerSecond: [], linkBytesPerSecond: [5e6] };
    const [cell] = cellsOf(own);
    expect(cell).toMatchObject({ storesPerSecond: 500, vcpus: 2, workingSetPages: 8192 });
    expect(parseGuestSpec(cell!.guest)).toMatchObject({
      memoryBytes: 64 * MIB,
      vcpus: 2,
      workload: { storesPerSecond: 500, workingSetPages: 8192, pattern: "uniform" },
    });
  });

  test("of the standard sweep is made of guests that can be had", () => {
    const cells = standardCells({ ...AXES, kind: "synthetic" });
    expect(cells).toHaveLength(20);
    const names = [...new Set(cells.map(({ scenario }) => scenario))];
    expect(names).toEqual(["idle", "web", "database", "build", "thrash", "curve"]);
    expect(cells.every(({ guest }) => parseGuestSpec(guest).kind === "synthetic")).toBe(true);
  });

  test("has its migrations made in rounds that each begin with another cell", () => {
    const [a, b] = cellsOf(AXES);
    const plan = planOf("p", [a!, b!], { rounds: 2, warmUp: 2 });
    const order = tasksLeft(plan, []).map(({ cell, round }) => `${cell === a ? "a" : "b"}${round}`);
    expect(order).toEqual(["a-1", "b-1", "b0", "a0", "a1", "b1", "b2", "a2"]);
    const done = [{ cell: b!.id, round: 1 }] as SweepRun[];
    expect(tasksLeft(plan, done)).toHaveLength(7);
  });
});

describe("results", () => {
  let folder: string;
  let file: string;
  const { plan, conditions, runs } = smallSweep();
  const request = (begin: "anew" | "where it ended" = "where it ended") => ({
    ...{ file, plan, conditions, begin },
  });

  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), "xenferry-sweep-"));
    file = path.join(folder, "results.json");
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  test("go on where they ended, without a line that was cut off", async () => {
    const first = await ResultsFile.open(request());
    await first.add(runs[0]!);
    await first.add(runs[1]!);
    await first.close();
    appendFileSync(journalOf(file), '{"cell":"half of a li');
    const second = await ResultsFile.open({
      ...request(),
      conditions: { ...conditions, startedAt: "later" },
    });
    expect(second.sweep.runs).toEqual(runs.slice(0, 2));
    expect(second.sweep.conditions.startedAt).toBe(conditions.startedAt);
    await second.add(runs[2]!);
    await second.complete();
    expect(existsSync(journalOf(file))).toBe(false);
    expect(JSON.parse(readFileSync(file, "utf8")).runs).toEqual(runs.slice(0, 3));
    const third = await ResultsFile.open(request());
    expect(third.sweep.runs).toHaveLength(3);
    await third.close();
  });

  test.each([
    ["another sweep", { plan: { ...plan, rounds: 7 } }],
    [
      "another machine",
      { conditions: { ...conditions, machine: { ...conditions.machine, cpuCount: 9 } } },
    ],
    ["another version", { conditions: { ...conditions, xenferry: "9" } }],
  ])("of %s are neither used nor lost", async (_what, change) => {
    const first = await ResultsFile.open(request());
    await first.add(runs[0]!);
    await first.close();
    const before = readFileSync(journalOf(file), "utf8");
    await expect(ResultsFile.open({ ...request(), ...change })).rejects.toMatchObject({
      code: "BENCH_RESULTS",
    });
    expect(readFileSync(journalOf(file), "utf8")).toBe(before);
    const anew = await ResultsFile.open({ ...request("anew"), ...change });
    expect(anew.sweep.runs).toEqual([]);
    await anew.close();
  });

  test("that are none are refused", async () => {
    writeFileSync(file, "{}");
    await expect(ResultsFile.open(request())).rejects.toMatchObject({ code: "BENCH_RESULTS" });
    writeFileSync(journalOf(file), "nonsense\n");
    await expect(ResultsFile.open(request())).rejects.toMatchObject({ code: "BENCH_RESULTS" });
    file = path.join(folder, "no", "folder.json");
    await expect(ResultsFile.open(request())).rejects.toMatchObject({ code: "TRANSPORT_OPEN" });
  });
});

describe("CSV", () => {
  test("has a line for each run and keeps texts whole", () => {
    const sweep = smallSweep();
    const bad = { ...sweep.runs.at(-1)!, reason: '=1+"a", b\nc' };
    const lines = csvOf({ ...sweep, runs: [sweep.runs[0]!, bad] }).split("\r\n");
    expect(lines).toHaveLength(4);
    expect(lines[0]).toContain("cell,round,startedAt,outcome");
    expect(lines[1]).toContain('"uniform, 0 pages/s, downtime",0,');
    expect(lines[2]).toContain(`"'=1+""a"", b\nc"`);
  });
});

describe("comparing", () => {
  const withFigures = (change: (downtimeMs: number, cell: string) => number): Sweep => {
    const sweep = smallSweep();
    const cells = sweep.plan.cells;
    const made = cells.flatMap(({ id }) =>
      [1, 2, 3, 4, 5, 6].map((round): SweepRun => {
        const figures = sweepFigures(2000 + round, change(10 + round, id));
        return { cell: id, round, startedAt: "", outcome: "proven", figures };
      }),
    );
    return { ...sweep, runs: made };
  };
  const same = (value: number) => value;

  test("finds what changed, which way, and nothing else", () => {
    const slower = withFigures((value, cell) => (cell.endsWith("xen") ? value * 2 : value));
    const { changes } = compareSweeps(withFigures(same), slower);
    const real = changes.filter(({ verdict }) => verdict !== "noise");
    expect(
      real.map(({ cell, figure, verdict }) => [cell.split(", ").at(-1), figure, verdict]),
    ).toEqual(Array(4).fill(["xen", "downtimeMs", "more"]));
    expect(real[0]).toMatchObject({ before: 13.5, after: 27, runsBefore: 6, runsAfter: 6 });
  });

  test("of few runs says that they are too few", () => {
    const few = (sweep: Sweep): Sweep => ({
      ...sweep,
      runs: sweep.runs.filter(({ round }) => round <= 3),
    });
    const { changes } = compareSweeps(few(withFigures(same)), few(withFigures((v) => v * 3)));
    expect(new Set(changes.map(({ verdict }) => verdict))).toEqual(new Set(["too few runs"]));
  });

  test("names cells of one only, other machines, and bad runs", () => {
    const before = smallSweep();
    const after = {
      ...before,
      conditions: { ...before.conditions, xenferry: "0.2.0" },
      plan: { ...before.plan, cells: before.plan.cells.slice(1) },
    };
    const { differences, onlyBefore, onlyAfter, bad } = compareSweeps(before, after);
    expect(differences).toEqual(["xenferry: 0.1.0 then, 0.2.0 now"]);
    expect(onlyBefore).toEqual(["uniform, 0 pages/s, downtime"]);
    expect(onlyAfter).toEqual([]);
    expect(bad).toEqual([{ cell: "uniform, 0 pages/s, downtime", before: 1, after: 1 }]);
  });
});
