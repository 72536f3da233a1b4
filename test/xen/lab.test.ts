import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { inProfile, inProgress } from "./dom0/iterations.ts";
import { Lab, NoLabError } from "./lab.ts";
import { COLUMNS, cellsOf, ROWS } from "./matrix.ts";
import { renderReasons, renderTable } from "./report.ts";

const BUILD = fileURLToPath(new URL("build.sh", import.meta.url));

describe("the matrix", () => {
  test("has a cell for each row and guest, with a name of its own", () => {
    const names = cellsOf({ isControl: false }).map(({ name }) => name);
    const absent = ROWS.flatMap(({ name, without = [] }) =>
      without.map((kind) => `${name}/${kind}`),
    );
    expect(names).toHaveLength(ROWS.length * COLUMNS.length - absent.length);
    expect(names.filter((name) => absent.includes(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });

  test("without our helper in the control, and no trial twice", () => {
    const cells = cellsOf({ isControl: true });
    expect(cells.filter(({ row }) => JSON.stringify(row.trial).includes("ours"))).toEqual([]);
    const trials = cells.map(({ row, column }) => `${JSON.stringify(row.trial)} ${column.name}`);
    expect(new Set(trials).size).toBe(trials.length);
  });

  test("asks for shadow paging where Debian's hypervisor has no log-dirty mode or no guest", () => {
    const shadowed = cellsOf({ isControl: false }).filter(
      ({ hypervisor }) => hypervisor === "shadow",
    );
    expect(shadowed.map(({ name }) => name)).toContain("save-ours-stock/pv32");
    expect(shadowed.map(({ name }) => name)).toContain("live-ours-ours/pv64");
    expect(shadowed.filter(({ column }) => /^(pvh|hvm)$/.test(column.name))).toEqual([]);
  });
});

describe("the report", () => {
  test("is a table of rows and guests, with reasons below", () => {
    const cells = cellsOf({ isControl: false }).filter(({ name }) =>
      /^(save-ours-stock|time-save)\/(pvh|pv64)$/.test(name),
    );
    const results = [
      { cell: "save-ours-stock/pv64", outcome: "passed" as const, facts: {}, tookS: 4.2 },
      {
        cell: "save-ours-stock/pvh",
        outcome: "failed" as const,
        reason: "xl save: status 3",
        facts: {},
        tookS: 9,
        logs: "logs/pvh",
      },
      { cell: "time-save/pvh", outcome: "passed" as const, facts: { wallRatio: 0.5 }, tookS: 8 },
    ];
    expect(renderTable(cells, results).split("\n")).toEqual([
      "|                                       | PV 64 | PVH       |",
      "|---------------------------------------|-------|-----------|",
      "| xl save by ours, xl restore by stock  | ✓ 4 s | FAILED    |",
      "| time and CPU of xl save, ours / stock |       | wall 0.5× |",
      "",
    ]);
    expect(renderReasons(results)).toBe(
      "save-ours-stock/pvh failed: xl save: status 3\n  logs in logs/pvh\n",
    );
  });
});

describe("the iterations of a migration", () => {
  test("are those of our helper's profile", () => {
    const iterations = [{ durationMs: 812.4 }, { durationMs: 40 }, { durationMs: 3 }];
    expect(inProfile(JSON.stringify({ iterations }))).toEqual({ count: 3, firstIterationMs: 812 });
  });

  test("are those that Xen's helper reports as its progress", () => {
    const told = [
      "100 Saving domain",
      "120 Frames iteration 0",
      "900 Frames iteration 0",
      "950 Frames iteration 1",
      "960 Frames iteration 1",
      "",
    ];
    expect(inProgress(told.join("\n"))).toEqual({ count: 2, firstIterationMs: 780 });
  });

  test("are missed where there are none", () => {
    expect(() => inProfile('{"iterations":[]}')).toThrow(/no iterations/);
    expect(() => inProgress("100 Saving domain\n")).toThrow(/no first iteration/);
  });
});

/** One that has ended and waits for its parent to notice does not run. */
function isRunning(pid: string): boolean {
  const file = `/proc/${pid}/stat`;
  return existsSync(file) && !/\) Z /.test(readFileSync(file, "latin1"));
}

describe("a machine that can have no lab", () => {
  test("is told why in one line", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "xenferry-lab-"));
    const tools = path.join(folder, "bin");
    mkdirSync(tools);
    for (const tool of ["bash", "dirname", "mkdir", "mktemp", "rm", "sed", "timeout"]) {
      symlinkSync(path.join("/usr/bin", tool), path.join(tools, tool));
    }
    const { PATH } = process.env;
    process.env.PATH = tools;
    try {
      const lab = new Lab({ XENFERRY_LAB: path.join(folder, "lab") });
      const building = lab.build(BUILD, { parts: [], limitS: 60 });
      await expect(building).rejects.toThrow(NoLabError);
      await expect(building).rejects.toThrow(/^no lab: (missing tools|it is built from).*$/);
    } finally {
      process.env.PATH = PATH;
      rmSync(folder, { recursive: true });
    }
  });

  test("is not waited for: what takes too long is stopped with all it started", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "xenferry-lab-"));
    const script = path.join(folder, "build.sh");
    // Each holds the pipe to the test open.
    writeFileSync(script, `sleep 600 & echo $! > ${folder}/pid; wait\n`);
    try {
      const building = new Lab({ XENFERRY_LAB: folder }).build(script, { parts: [], limitS: 0.3 });
      await expect(building).rejects.toThrow("no lab: it could not be built within 0 s");
      const pid = readFileSync(path.join(folder, "pid"), "utf8").trim();
      await expect.poll(() => isRunning(pid)).toBe(false);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
