import { formatBytes, formatMs, formatRate } from "../../report/format.ts";
import type { EndUsage, ReportRun } from "../../report/report-run.ts";
import { summarise } from "../../report/summary.ts";
import { tableBehind } from "../data-table.ts";
import { element } from "../dom.ts";
import type { Section } from "../section.ts";

/** What a run came to: a few figures, the story in words, and the circumstances. */
export function summarySection(run: ReportRun): Section {
  const summary = summarise(run);
  const { totalMs, downtimeMs, precopyIterations, totalBytes, bytesPerSecond } = summary;
  const figures: readonly (readonly [string, string])[] = [
    ["total time", formatMs(totalMs)],
    ["downtime", downtimeMs === undefined ? "–" : formatMs(downtimeMs)],
    ["iterations while it ran", String(precopyIterations)],
    ["sent", formatBytes(totalBytes)],
    ["sent at (median)", bytesPerSecond === undefined ? "–" : formatRate(bytesPerSecond)],
  ];
  const outcome = run.outcome === "failed" ? `failed: ${run.errorCode ?? "no code"}` : "completed";
  return {
    id: "summary",
    title: "Summary",
    content: [
      element("p", { class: `outcome ${run.outcome}` }, `${run.operation}, ${outcome}`),
      element(
        "dl",
        { class: "figures" },
        ...figures.map(([name, value]) =>
          element("div", {}, element("dt", {}, name), element("dd", {}, value)),
        ),
      ),
      ...summary.sentences.map((sentence) => element("p", { class: "story" }, sentence)),
      tableBehind("Circumstances", () => circumstances(run)),
    ],
  };
}

function usageRows({ end, resources, intake }: EndUsage): readonly (readonly string[])[] {
  const { cpuUserMs, cpuSystemMs, memoryBytesMax } = resources;
  const cpu = `CPU ${formatMs(cpuUserMs)} user, ${formatMs(cpuSystemMs)} system`;
  const used = [`the ${end}'s process`, `${cpu}; memory ${formatBytes(memoryBytesMax)} at most`];
  if (intake === undefined) {
    return [used];
  }
  const { waitMs = 0, readMs = 0, unpackMs = 0, storeMs = 0 } = intake;
  const parts = [
    `waiting for the stream ${formatMs(waitMs)}`,
    `reading it ${formatMs(readMs)}`,
    `unpacking ${formatMs(unpackMs)}`,
    `storing pages ${formatMs(storeMs)}`,
  ];
  return [used, [`the ${end}'s threads, together`, parts.join(", ")]];
}

function circumstances({ startedAt, facts, usage }: ReportRun) {
  return {
    head: ["", ""],
    rows: [["started", startedAt], ...facts, ...usage.flatMap(usageRows)],
  };
}
