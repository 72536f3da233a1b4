import { existsSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { writeReportPage } from "../../src/cli/report-page.ts";
import { benchMigration, needProof } from "../../src/cli/sweep/migration.ts";
import { listGuests } from "../../src/guest/open.ts";
import type { SweepCell } from "../../src/report/sweep-result.ts";
import { sweepCell } from "../support/profiles.ts";

let runDir: string;

beforeEach(() => {
  runDir = mkdtempSync(path.join(os.tmpdir(), "xenferry-bench-unit-"));
});

afterEach(() => {
  rmSync(runDir, { recursive: true, force: true });
});

const small: SweepCell = {
  ...sweepCell(200, "downtime"),
  guest: "synthetic:memory=4M,dirty=200p",
  kind: "synthetic",
  linkBytesPerSecond: 0,
  engine: "reference",
};

const migrate = (cell: SweepCell, signal = new AbortController().signal) => {
  const place = { context: { clock: systemClock, signal }, runDir, timeoutMs: 60_000 };
  return benchMigration(place, { cell, round: 1 });
};

describe("a migration of a sweep", () => {
  test("that goes well is proven, has its figures, and leaves no guest", async () => {
    const run = await migrate(small);
    expect(run).toMatchObject({ outcome: "proven", cell: small.id, round: 1 });
    const { figures } = run;
    expect(figures!.pagesSent).toBeGreaterThanOrEqual(1024);
    expect(figures!.firstBytes).toBeGreaterThanOrEqual(1024 * 4104);
    expect(figures!.measuredStoresPerSecond).toBeGreaterThan(0);
    expect(await listGuests({ runDir })).toEqual([]);
  });

  test("that fails is bad, with the code of what ended it, and leaves no guest", async () => {
    expect(await migrate({ ...small, policy: "./nothing.js" })).toMatchObject({
      outcome: "bad",
      code: expect.stringMatching(/^POLICY_/),
    });
    expect(await migrate({ ...small, guest: "synthetic:memory=5" })).toMatchObject({
      outcome: "bad",
      code: "GUEST_CONFIG",
    });
    expect(await listGuests({ runDir })).toEqual([]);
  });

  test("that is interrupted is none, and leaves no guest", async () => {
    const interrupted = AbortSignal.abort();
    await expect(migrate(small, interrupted)).rejects.toMatchObject({ code: "BENCH_INTERRUPTED" });
    expect(await listGuests({ runDir })).toEqual([]);
  });

  test("needs a guest that proves all of its memory", () => {
    const check = {
      pagesChecked: 4,
      pagesBad: 0,
      badPfns: [],
      versionsMatch: true,
      vcpus: [{ stores: 1n, reads: 0n, faults: 0n }],
      pauseMs: 1,
    };
    expect(needProof(check)).toBe(check);
    for (const change of [
      { pagesBad: 1 },
      { versionsMatch: false },
      { vcpus: [{ stores: 1n, reads: 1n, faults: 1n }] },
    ]) {
      expect(() => needProof({ ...check, ...change })).toThrow(
        expect.objectContaining({ code: "BENCH_UNPROVEN" }),
      );
    }
  });
});

test("a page whose script was never made says so, and is not written", async () => {
  const data = { title: "", madeAt: "", xenferry: "", runs: [], sweeps: [] };
  const file = path.join(runDir, "report.html");
  const empty = pathToFileURL(`${runDir}/`);
  await expect(writeReportPage(file, data, empty)).rejects.toMatchObject({ code: "REPORT_PAGE" });
  expect(existsSync(file)).toBe(false);
});
