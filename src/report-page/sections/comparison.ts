import { DOWNTIME_PARTS } from "../../report/downtime-parts.ts";
import { formatBytes, formatCount, formatMs, formatRate } from "../../report/format.ts";
import type { ReportRun } from "../../report/report-run.ts";
import { type RunSummary, summarise } from "../../report/summary.ts";
import { barChart } from "../bars.ts";
import { dataTable } from "../data-table.ts";
import { element } from "../dom.ts";
import { lineChart } from "../line-chart.ts";
import { choice, type Section } from "../section.ts";
import type { ThemeWatch } from "../theme.ts";
import { downtimeRow } from "./downtime.ts";

/** Lines that a chart may have and still be read; tables have all runs. */
const LINES_MAX = 8;

/** Several runs beside each other. */
export function comparisonSection(
  runs: readonly ReportRun[],
  theme: ThemeWatch,
): Section | undefined {
  if (runs.length < 2) {
    return undefined;
  }
  const summaries = runs.map(summarise);
  const room = element("div", {});
  const compare = (index: number) => room.replaceChildren(figures(summaries, index));
  const { label } = choice(
    "Compared with",
    runs.map(({ label: name }, index) => [String(index), name]),
    (value) => compare(Number(value)),
  );
  compare(0);
  return {
    id: "comparison",
    title: "Comparison",
    content: [label, room, downtimes(runs), dirtyLeft(runs, theme)],
  };
}

const FIGURES = [
  { name: "total time", of: ({ totalMs }: RunSummary) => totalMs, format: formatMs },
  { name: "downtime", of: ({ downtimeMs }: RunSummary) => downtimeMs, format: formatMs },
  { name: "iterations", of: (run: RunSummary) => run.precopyIterations, format: String },
  { name: "sent", of: ({ totalBytes }: RunSummary) => totalBytes, format: formatBytes },
  { name: "sent at", of: ({ bytesPerSecond }: RunSummary) => bytesPerSecond, format: formatRate },
  {
    name: "dirty at up to",
    of: ({ dirtyBytesPerSecondMax }: RunSummary) => dirtyBytesPerSecondMax,
    format: formatRate,
  },
] as const;

function figures(summaries: readonly RunSummary[], baseIndex: number): HTMLElement {
  const base = summaries[baseIndex]!;
  return dataTable({
    caption: `Runs, and how they differ from ${base.label}`,
    head: ["run", "outcome", ...FIGURES.map(({ name }) => name)],
    rows: summaries.map((summary) => [
      summary.label,
      summary.errorCode ?? summary.outcome,
      ...FIGURES.map(({ of, format }) => {
        const [value, other] = [of(summary), of(base)];
        return value === undefined ? "–" : `${format(value)}${difference(value, other)}`;
      }),
    ]),
  });
}

function difference(value: number, base: number | undefined): string {
  if (base === undefined || base === 0 || value === base) {
    return "";
  }
  const share = (value / base - 1) * 100;
  return ` (${share > 0 ? "+" : "−"}${Math.abs(share).toFixed(0)} %)`;
}

function downtimes(runs: readonly ReportRun[]): HTMLElement | undefined {
  const known = runs.flatMap(({ label, downtime }) =>
    downtime === undefined ? [] : [{ label, downtime }],
  );
  if (known.length === 0) {
    return undefined;
  }
  return barChart({
    kind: "downtimes",
    caption: "Downtime of each run and its parts",
    rows: known.map(({ label, downtime }) => downtimeRow(label, downtime)),
    from: 0,
    to: Math.max(...known.map(({ downtime }) => downtime.totalMs)),
    legend: DOWNTIME_PARTS.map(({ name }, fill) => [fill, name]),
    names: "long",
    formatTick: formatMs,
    table: () => ({
      head: ["run", ...DOWNTIME_PARTS.map(({ name }) => name), "all"],
      rows: known.map(({ label, downtime }) => [
        label,
        ...DOWNTIME_PARTS.map(({ key }) => formatMs(downtime[key])),
        formatMs(downtime.totalMs),
      ]),
    }),
  });
}

function dirtyLeft(runs: readonly ReportRun[], theme: ThemeWatch): HTMLElement | undefined {
  const left = runs
    .filter(({ iterations }) => iterations.length > 0)
    .map(({ label, iterations }) => ({
      label,
      pages: iterations.map(({ pagesPlanned }) => pagesPlanned),
    }));
  const shown = left.slice(0, LINES_MAX);
  const longest = Math.max(0, ...shown.map(({ pages }) => pages.length));
  if (longest < 2) {
    return undefined;
  }
  const xs = Array.from({ length: longest }, (_, index) => index);
  const rest = left.length > LINES_MAX ? ` (the first ${LINES_MAX} runs)` : "";
  return lineChart(
    {
      kind: "pages-left",
      caption: `Pages to send in each iteration${rest}`,
      xName: "iteration",
      xs,
      formatX: (value) => (Number.isInteger(value) ? String(value) : ""),
      yName: "pages",
      formatY: (value) => formatCount(Math.round(value)),
      scale: "logarithmic",
      // A logarithm of nothing cannot be drawn.
      series: shown.map(({ label, pages }) => ({
        name: label,
        values: xs
          .map((index) => Math.max(1, pages[index] ?? 0))
          .map((value, index) => (index < pages.length ? value : null)),
        shape: "line",
      })),
      table: () => ({
        head: ["iteration", ...left.map(({ label }) => label)],
        rows: Array.from(
          { length: Math.max(...left.map(({ pages }) => pages.length)) },
          (_, index) => [
            String(index),
            ...left.map(({ pages }) =>
              pages[index] === undefined ? "–" : formatCount(pages[index]),
            ),
          ],
        ),
      }),
    },
    theme,
  );
}
