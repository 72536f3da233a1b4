import { formatMs, formatRate } from "../../report/format.ts";
import type { ReportRun } from "../../report/report-run.ts";
import { alignPoints, timelineOf } from "../../report/timeline.ts";
import { tableBehind } from "../data-table.ts";
import { lineChart } from "../line-chart.ts";
import type { Section } from "../section.ts";
import type { ThemeWatch } from "../theme.ts";

/** How fast pages were sent and became dirty over time, and what happened when. */
export function timelineSection(run: ReportRun, theme: ThemeWatch): Section | undefined {
  const events = eventTable(run);
  if (run.iterations.length === 0) {
    return events && { id: "timeline", title: "Over time", content: [events] };
  }
  return { id: "timeline", title: "Over time", content: [rateChart(run, theme), events] };
}

function rateChart(run: ReportRun, theme: ThemeWatch): HTMLElement {
  const { bandwidth, dirtyRate, bandwidthFrom } = timelineOf(run);
  const [times, sent, dirtied] = alignPoints([bandwidth, dirtyRate]);
  const { downtime, suspendAtMs } = run;
  const bands =
    downtime === undefined || suspendAtMs === undefined
      ? []
      : [{ from: suspendAtMs, to: suspendAtMs + downtime.totalMs, name: "downtime" }];
  return lineChart(
    {
      kind: "timeline",
      caption: "Bandwidth and dirty rate",
      xName: "time",
      xs: times,
      formatX: formatMs,
      yName: "octets a second",
      formatY: formatRate,
      scale: "linear",
      series: [
        {
          name: bandwidthFrom === "samples" ? "sent" : "sent (mean of each iteration)",
          values: sent!,
          shape: "step",
        },
        { name: "became dirty", values: dirtied!, shape: "step" },
      ],
      bands,
      table: () => ({
        head: ["time", "sent", "became dirty"],
        rows: times.map((time, index) => [
          formatMs(time),
          tellRate(sent![index]),
          tellRate(dirtied![index]),
        ]),
      }),
    },
    theme,
  );
}

function tellRate(rate: number | null | undefined): string {
  return rate === null || rate === undefined ? "–" : formatRate(rate);
}

function eventTable({ events }: ReportRun): HTMLElement | undefined {
  if (events.length === 0) {
    return undefined;
  }
  return tableBehind("What happened when", () => ({
    head: ["time", "by", "event"],
    rows: events.map(({ atMs, by, event }) => [formatMs(atMs), by, event]),
  }));
}
