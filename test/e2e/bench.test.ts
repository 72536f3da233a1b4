import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { smallProfile } from "../support/profiles.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const SMALL = ["--kind", "synthetic", "--memory", "4M", "--link", "0", "--dirty", "500p"];

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "xenferry-bench-test-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function xenferry(...args: readonly string[]) {
  const command = [MAIN, "--run-dir", folder, ...args];
  return spawnSync(process.execPath, command, { encoding: "utf8", cwd: folder });
}

describe("xenferry bench", () => {
  test("goes on where it was interrupted, and leaves results, CSV and a report", async () => {
    const outputs = ["-o", "r.json", "--csv", "r.csv", "--html", "r.html"];
    const args = ["bench", ...SMALL, "--rounds", "2", ...outputs];
    const child = spawn(process.execPath, [MAIN, "--run-dir", folder, ...args], {
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const [line] = (await once(createInterface({ input: child.stderr }), "line")) as [string];
    expect(line).toContain("[1/3]");
    child.kill("SIGINT");
    const [status] = (await once(child, "close")) as [number];
    // It may have been quicker than the signal.
    expect([0, 130]).toContain(status);
    expect(existsSync(path.join(folder, status === 0 ? "r.json" : "r.json.partial"))).toBe(true);

    const again = xenferry("--json", ...args);
    expect(again.stderr).toContain("migrations are there already");
    expect(again.status).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({ cells: [{ runs: 2, bad: 0 }], named: [] });
    expect(existsSync(path.join(folder, "r.json.partial"))).toBe(false);
    const { runs } = JSON.parse(readFileSync(path.join(folder, "r.json"), "utf8"));
    expect(runs.map(({ round }: { round: number }) => round)).toEqual([0, 1, 2]);
    expect(runs[2]).toMatchObject({
      outcome: "proven",
      figures: { firstBytes: expect.any(Number) },
    });
    expect(readFileSync(path.join(folder, "r.csv"), "utf8").split("\r\n")).toHaveLength(5);
    expect(readFileSync(path.join(folder, "r.html"), "utf8")).toContain("report-data");

    const compared = xenferry("bench", "--compare", "r.json", "r.json");
    expect(compared.stdout).toContain("0 of 2 figures changed");
    const told = xenferry("report", "--tty", "r.json");
    expect(told.stdout).toContain("curve, uniform");
  });

  test("names bad migrations, and its status says that there were some", () => {
    // No link carries a migration in a millisecond.
    const options = [...SMALL, "--rounds", "1", "--warm-up", "0", "--timeout", "1", "-o", "r.json"];
    const slow = options.map((option) => (option === "0" ? "100K" : option));
    slow[slow.indexOf("--warm-up") + 1] = "0";
    const { status, stdout } = xenferry("--json", "-q", "bench", ...slow);
    expect(status).toBe(1);
    expect(JSON.parse(stdout).named).toMatchObject([
      { round: 1, why: expect.stringContaining("[BENCH_TIMEOUT]") },
    ]);
  });

  test("lists its cells, takes scenario files, and refuses what it cannot do", () => {
    const scenario = {
      traceVersion: 1,
      name: "mine",
      memoryBytes: 1 << 30,
      workload: { storesPerSecond: 10, pattern: "zipf", workingSetShare: 0.1 },
    };
    writeFileSync(path.join(folder, "mine.json"), JSON.stringify(scenario));
    const listed = JSON.parse(xenferry("--json", "bench", "mine.json", "--list").stdout);
    expect(listed).toMatchObject({ name: "mine", cells: [{ pattern: "zipf", kind: "process" }] });
    for (const [args, code] of [
      [["--guest", "dom0"], "USAGE_ARGUMENT"],
      [["nothing.json"], "TRANSPORT_OPEN"],
      [["--compare", "a.json"], "USAGE_ARGUMENT"],
    ] as const) {
      const { stderr } = xenferry("--json", "bench", ...args);
      expect(JSON.parse(stderr).error[0].code).toBe(code);
    }
    expect(xenferry("bench", "--pattern", "spiral").status).toBe(2);
  });
});

describe("xenferry report", () => {
  test("writes a page, or says the essentials", () => {
    writeFileSync(path.join(folder, "p.json"), JSON.stringify(smallProfile()));
    expect(xenferry("report", "p.json").stdout).toMatch(/^report\.html: /);
    expect(readFileSync(path.join(folder, "report.html"), "utf8")).toContain("migrate of web");
    const { runs } = JSON.parse(xenferry("report", "--json", "p.json").stdout);
    expect(runs).toMatchObject([{ downtimeMs: 20, longestPart: "resume" }]);
    expect(xenferry("report", "--tty", "p.json", "p.json").stdout).toContain("p (2)");
  });

  test("says what is wrong with its input, and writes nothing", () => {
    writeFileSync(path.join(folder, "bad.json"), '{"profileVersion":1,"totalMs":"long"}');
    const { status, stderr } = xenferry("report", "bad.json", "-o", "r.html");
    expect(status).toBe(1);
    expect(stderr).toMatch(/file bad\.json, field .*REPORT_INPUT/);
    expect(existsSync(path.join(folder, "r.html"))).toBe(false);
    expect(xenferry("report", "missing.json").status).toBe(1);
  });
});
