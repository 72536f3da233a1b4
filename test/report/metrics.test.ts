import { describe, expect, it } from "vitest";
import { MigrationMetrics } from "../../src/report/migration-metrics.ts";
import { encodeMetrics, type MetricFamily } from "../../src/report/open-metrics.ts";
import type { IterationStatistics } from "../../src/report/profile.ts";

describe("metrics as text", () => {
  const families: readonly MetricFamily[] = [
    {
      name: "x_sent_bytes",
      type: "counter",
      unit: "bytes",
      help: 'With a "quote", a \\ and\na line feed.',
      samples: [{ labels: { guest: 'a"b\\c\nd' }, value: 12 }],
    },
    { name: "x_nothing", type: "gauge", help: "Left out.", samples: [] },
    {
      name: "x_wait_seconds",
      type: "gauge",
      unit: "seconds",
      help: "Two of them.",
      samples: [
        { labels: { at: "source", of: "1" }, value: 0.25 },
        { labels: {}, value: 1e21 },
      ],
    },
  ];

  it("are OpenMetrics", () => {
    expect(encodeMetrics(families, "openmetrics").split("\n")).toEqual([
      '# HELP x_sent_bytes With a \\"quote\\", a \\\\ and\\na line feed.',
      "# TYPE x_sent_bytes counter",
      "# UNIT x_sent_bytes bytes",
      'x_sent_bytes_total{guest="a\\"b\\\\c\\nd"} 12',
      "# HELP x_wait_seconds Two of them.",
      "# TYPE x_wait_seconds gauge",
      "# UNIT x_wait_seconds seconds",
      'x_wait_seconds{at="source",of="1"} 0.25',
      "x_wait_seconds 1e+21",
      "# EOF",
      "",
    ]);
  });

  it("are what Prometheus had before, where that is wanted", () => {
    expect(encodeMetrics(families, "prometheus").split("\n")).toEqual([
      '# HELP x_sent_bytes_total With a "quote", a \\\\ and\\na line feed.',
      "# TYPE x_sent_bytes_total counter",
      'x_sent_bytes_total{guest="a\\"b\\\\c\\nd"} 12',
      "# HELP x_wait_seconds Two of them.",
      "# TYPE x_wait_seconds gauge",
      'x_wait_seconds{at="source",of="1"} 0.25',
      "x_wait_seconds 1e+21",
      "",
    ]);
  });

  it("end where there are none", () => {
    expect(encodeMetrics([], "openmetrics")).toBe("# EOF\n");
    expect(encodeMetrics([], "prometheus")).toBe("");
  });
});

const ITERATION: IterationStatistics = {
  iteration: 0,
  phase: "precopy",
  pagesPlanned: 100,
  pagesSent: 80,
  pagesAllocateOnly: 15,
  pagesDeferred: 4,
  pagesUnchanged: 1,
  bytes: 1000,
  dirtyPagesAtEnd: 30,
  scanMs: 0,
  sendMs: 500,
  logDirtyMs: 0,
  durationMs: 500,
  bytesPerSecond: 2000,
  dirtyPagesPerSecond: 60,
};

const BEGINNING = {
  operation: "migrate",
  startedAt: "2026-11-25T00:00:00.500Z",
  target: "tcp://there:1",
  startMs: 1000,
} as const;

/** Lines with values, without the prefix and without the labels that all have. */
function valuesOf(metrics: MigrationMetrics, nowMs: number): readonly string[] {
  return encodeMetrics(metrics.families(nowMs), "openmetrics")
    .split("\n")
    .filter((line) => line.startsWith("xenferry_migration_"))
    .map((line) =>
      line
        .replace("xenferry_migration_", "")
        .replace(/operation="\w+",guest="\w*",?/, "")
        .replace("{}", ""),
    );
}

describe("metrics of a migration", () => {
  it("tell how it stands, and how it ended", () => {
    const metrics = new MigrationMetrics({ ...BEGINNING, guest: "web" });
    metrics.sees({ kind: "phase", phase: "precopy" }, 1100);
    const pages = { kind: "pages", iteration: 0, pagesPlanned: 100 } as const;
    metrics.sees({ ...pages, pagesDone: 0, bytes: 0 }, 1100);
    metrics.sees({ ...pages, pagesDone: 40, bytes: 400 }, 1300);
    const head = [
      'info{target="tcp://there:1"} 1',
      'outcome{outcome="running"} 1',
      'outcome{outcome="completed"} 0',
      'outcome{outcome="failed"} 0',
      'phase{phase="precopy"} 1',
      "start_time_seconds 1795564800.5",
    ];
    expect(valuesOf(metrics, 1500)).toEqual([
      ...head,
      "elapsed_seconds 0.5",
      "iterations_total 0",
      'pages_total{fate="data"} 0',
      'pages_total{fate="allocate_only"} 0',
      'pages_total{fate="deferred"} 0',
      'pages_total{fate="unchanged"} 0',
      "sent_bytes_total 400",
      "remaining_pages 60",
      "bandwidth_bytes_per_second 2000",
    ]);
    metrics.sees({ kind: "iteration", statistics: ITERATION }, 1600);
    metrics.sees({ kind: "step", step: "channel 1 joined" }, 1600);
    const final = { ...ITERATION, phase: "stop-and-copy", pagesSent: 30, bytes: 300 } as const;
    metrics.sees({ kind: "iteration", statistics: { ...final, dirtyPagesAtEnd: "unknown" } }, 1700);
    metrics.sees({ kind: "phase", phase: "done" }, 1800);
    metrics.ends({
      outcome: "completed",
      totalMs: 900,
      totalBytes: 1350,
      downtime: {
        suspendMs: 1,
        harvestMs: 2,
        finalCopyMs: 3,
        stateMs: 4,
        handoverMs: 5,
        resumeMs: 6,
        totalMs: 21,
      },
      resources: { cpuUserMs: 10, cpuSystemMs: 20, memoryBytesMax: 4096 },
    });
    expect(valuesOf(metrics, 99_999).slice(1)).toEqual([
      'outcome{outcome="running"} 0',
      'outcome{outcome="completed"} 1',
      'outcome{outcome="failed"} 0',
      'phase{phase="done"} 1',
      "start_time_seconds 1795564800.5",
      "elapsed_seconds 0.9",
      "iterations_total 2",
      'pages_total{fate="data"} 110',
      'pages_total{fate="allocate_only"} 30',
      'pages_total{fate="deferred"} 8',
      'pages_total{fate="unchanged"} 2',
      "sent_bytes_total 1350",
      "remaining_pages 0",
      "dirty_pages 30",
      "dirty_pages_per_second 60",
      "bandwidth_bytes_per_second 2000",
      "downtime_seconds 0.021",
      'downtime_part_seconds{part="suspend"} 0.001',
      'downtime_part_seconds{part="harvest"} 0.002',
      'downtime_part_seconds{part="final_copy"} 0.003',
      'downtime_part_seconds{part="state"} 0.004',
      'downtime_part_seconds{part="hand_over"} 0.005',
      'downtime_part_seconds{part="resume"} 0.006',
      'cpu_seconds_total{mode="user"} 0.01',
      'cpu_seconds_total{mode="system"} 0.02',
      "memory_max_bytes 4096",
    ]);
  });

  it("say nothing until it is known whose they are, and have units that names end with", () => {
    const metrics = new MigrationMetrics({ ...BEGINNING, operation: "receive" });
    metrics.sees({ kind: "step", step: "guest" }, 1100);
    expect(metrics.families(1200)).toEqual([]);
    metrics.names("web");
    metrics.sees({ kind: "taken", pages: 7, bytes: 30_000 }, 1300);
    expect(valuesOf(metrics, 1300)).toEqual(
      expect.arrayContaining(["received_pages_total 7", "received_bytes_total 30000"]),
    );
    const families = metrics.families(1300);
    expect(families.every(({ name, unit = "" }) => name.endsWith(unit))).toBe(true);
    expect(new Set(families.map(({ name }) => name)).size).toBe(families.length);
    expect(families[0]!.samples[0]!.labels).toMatchObject({ operation: "receive", guest: "web" });
  });
});
