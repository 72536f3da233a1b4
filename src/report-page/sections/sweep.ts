import { formatBytes, formatMs, formatRate } from "../../report/format.ts";
import type { ReportSweep } from "../../report/report-data.ts";
import { percent } from "../../report/summary.ts";
import { curvesOf, type SweepCurve } from "../../report/sweep-curves.ts";
import { type CellSummary, cellNames } from "../../report/sweep-summary.ts";
import { dataTable } from "../data-table.ts";
import { element } from "../dom.ts";
import { type SweepLimit, sweepLimit } from "../limits.ts";
import { type LineSeries, lineChart } from "../line-chart.ts";
import { choice, type Section } from "../section.ts";
import type { ThemeWatch } from "../theme.ts";
import { cellBars, tellInterval } from "./sweep-cells.ts";

/** What a chart of a sweep has on its y axis. */
interface Measure {
  readonly key: "downtimeMs" | "totalMs";
  readonly name: string;
  readonly limit: keyof SweepLimit;
  readonly limitName: string;
}

const MEASURES: readonly Measure[] = [
  {
    key: "downtimeMs",
    name: "Downtime",
    limit: "downtimeMs",
    limitName: "least that iterations can leave to copy",
  },
  {
    key: "totalMs",
    name: "Total time",
    limit: "totalMs",
    limitName: "all memory once over the link",
  },
];

/** A sweep's curves of downtime and total time against dirty rate, and all of its figures. */
export function sweepSection(sweep: ReportSweep, index: number, theme: ThemeWatch): Section {
  const curves = curvesOf(sweep.cells);
  const singles = curves.filter(({ points }) => points.length === 1);
  return {
    id: `sweep-${index}`,
    title: `Sweep: ${sweep.label}`,
    content: [
      ...introduction(sweep),
      ...curveCharts(curvesOf(severalRates(curves)), theme),
      ...cellBars(singles.flatMap(({ points }) => points.map(({ summary }) => summary))),
      namedTable(sweep),
      dataTable(figureTable(sweep)),
    ],
  };
}

/** Cells of curves that have more than one point. */
function severalRates(curves: readonly SweepCurve[]): readonly CellSummary[] {
  return curves
    .filter(({ points }) => points.length > 1)
    .flatMap(({ points }) => points.map(({ summary }) => summary));
}

/** Charts against the dirty rate, on a scale to be chosen. */
function curveCharts(curves: readonly SweepCurve[], theme: ThemeWatch): readonly HTMLElement[] {
  if (curves.length === 0) {
    return [];
  }
  const room = element("div", {});
  const draw = (scale: "linear" | "logarithmic") => {
    room.replaceChildren(
      ...MEASURES.map((measure) => measureChart(curves, { measure, scale }, theme)),
    );
  };
  const { label } = choice(
    "Scale",
    [
      ["logarithmic", "logarithmic"],
      ["linear", "linear"],
    ],
    (value) => draw(value === "linear" ? "linear" : "logarithmic"),
  );
  draw("logarithmic");
  return [label, room];
}

function introduction({ conditions, rounds, runsLeft, cells }: ReportSweep) {
  const { machine, startedAt, xenferry } = conditions;
  const confidence = cells.find(({ figures }) => figures !== undefined)?.figures?.totalMs;
  const left = runsLeft === 0 ? "" : ` It is not complete: ${runsLeft} migrations are missing.`;
  const text =
    `${cells.length} cells, ${rounds} migrations each besides those that warm up, from ` +
    `${startedAt} on, by xenferry ${xenferry} on ${machine.cpuCount} × ${machine.cpu}.${left}`;
  const bars =
    confidence &&
    "Points are medians. Bars are intervals between order statistics, in which the true median " +
      `lies with a confidence of ${(confidence.confidence * 100).toFixed(1)} % ` +
      `(${confidence.count} migrations).`;
  return [element("p", {}, text), bars && element("p", {}, bars)];
}

function measureChart(
  curves: readonly SweepCurve[],
  { measure, scale }: { readonly measure: Measure; readonly scale: "linear" | "logarithmic" },
  theme: ThemeWatch,
): HTMLElement {
  const rates = new Set(curves.flatMap(({ points }) => points.map(({ rate }) => rate)));
  const xs = [...rates].sort((one, other) => one - other);
  const measured = curves.map((curve) => measuredLine(curve, measure, xs));
  const limits = differing(
    curves.flatMap((curve, index) => limitLine(curve, { measure, xs, index, scale })),
  );
  return lineChart(
    {
      kind: `sweep-${measure.key}`,
      caption: `${measure.name} against dirty rate; thin lines: ${measure.limitName}`,
      xName: "dirty rate asked for",
      xs,
      formatX: formatRate,
      yName: measure.name.toLowerCase(),
      formatY: formatMs,
      scale,
      series: [...measured, ...limits],
      table: () => ({
        head: ["curve", ...xs.map(formatRate)],
        rows: [...measured, ...limits].map(({ name, values }) => [
          name,
          ...values.map((value) => (value === null ? "–" : formatMs(value))),
        ]),
      }),
    },
    theme,
  );
}

function measuredLine(
  { name, points }: SweepCurve,
  { key }: Measure,
  xs: readonly number[],
): LineSeries {
  const at = xs.map((rate) => points.find((point) => point.rate === rate)?.summary.figures?.[key]);
  return {
    name,
    values: at.map((interval) => interval?.median ?? null),
    ranges: at.map((interval) => (interval === undefined ? null : [interval.low, interval.high])),
    shape: "line",
  };
}

function limitLine(
  { name, points }: SweepCurve,
  place: {
    readonly measure: Measure;
    readonly xs: readonly number[];
    readonly index: number;
    readonly scale: "linear" | "logarithmic";
  },
): readonly LineSeries[] {
  const { measure, xs, index, scale } = place;
  const values = xs.map((rate) => {
    const point = points.find((candidate) => candidate.rate === rate);
    const limit = point && sweepLimit(point.summary)?.[measure.limit];
    // A logarithm of nothing cannot be drawn.
    return limit === undefined || (limit <= 0 && scale === "logarithmic") ? null : limit;
  });
  return values.every((value) => value === null)
    ? []
    : [{ name: `limit of ${name}`, values, shape: "limit", likeSeries: index }];
}

/** Lines that lie on others are left out; one that is for all curves needs no curve's name. */
function differing(lines: readonly LineSeries[]): readonly LineSeries[] {
  const seen = new Map(lines.map((line) => [JSON.stringify(line.values), line]));
  const left = lines.filter((line) => [...seen.values()].includes(line));
  return left.length === 1 ? [{ ...left[0]!, name: "limit" }] : left;
}

function namedTable({ named }: ReportSweep): HTMLElement {
  return named.length === 0
    ? element("p", {}, "No migration was bad or disturbed: every guest proved its memory.")
    : dataTable({
        caption: "Migrations that were bad or disturbed",
        head: ["cell", "round", "why"],
        rows: named.map(({ cell, round, why }) => [
          cell,
          round <= 0 ? "warm-up" : String(round),
          why,
        ]),
      });
}

function figureTable({ cells }: ReportSweep) {
  const names = cellNames(cells.map(({ cell }) => cell.id));
  return {
    caption: "Medians and their intervals",
    head: [
      ...["cell", "memory", "runs", "bad", "downtime", "total time", "iterations", "sent"],
      ...["sent at", "confidence"],
    ],
    rows: cells.map(({ cell, figures, runs, bad }: CellSummary) => [
      names.get(cell.id) ?? cell.id,
      formatBytes(cell.memoryBytes),
      String(runs),
      String(bad),
      ...(figures === undefined
        ? ["–", "–", "–", "–", "–", "–"]
        : [
            tellInterval(figures.downtimeMs, formatMs),
            tellInterval(figures.totalMs, formatMs),
            tellInterval(figures.iterations, String),
            formatBytes(figures.bytes.median),
            formatRate(figures.bytesPerSecond.median),
            percent(figures.totalMs.confidence),
          ]),
    ]),
  };
}
