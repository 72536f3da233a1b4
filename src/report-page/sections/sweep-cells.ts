import { DOWNTIME_PARTS } from "../../report/downtime-parts.ts";
import { formatMs } from "../../report/format.ts";
import type { MedianInterval } from "../../report/statistics.ts";
import type { SweepFigures } from "../../report/sweep-result.ts";
import { type CellSummary, cellNames } from "../../report/sweep-summary.ts";
import { type BarPiece, barChart } from "../bars.ts";
import { sweepLimit } from "../limits.ts";

type MeasuredCell = CellSummary & {
  readonly figures: Readonly<Record<keyof SweepFigures, MedianInterval>>;
};

/** Bars of downtime and total time for cells that are no curve. */
export function cellBars(cells: readonly CellSummary[]): readonly HTMLElement[] {
  const measured = cells.filter((cell): cell is MeasuredCell => cell.figures !== undefined);
  if (measured.length === 0) {
    return [];
  }
  const names = cellNames(measured.map(({ cell }) => cell.id));
  const named = measured.map((summary) => ({ name: names.get(summary.cell.id)!, summary }));
  return [downtimeBars(named), totalBars(named)];
}

/** "12.3 ms (11.0 ms – 13.0 ms)". */
export function tellInterval(
  { median, low, high }: MedianInterval,
  format: (value: number) => string,
): string {
  return low === high ? format(median) : `${format(median)} (${format(low)} – ${format(high)})`;
}

type NamedCells = readonly { readonly name: string; readonly summary: MeasuredCell }[];

/** Medians of the parts need not add up to that of the whole, which is what is said. */
function downtimeBars(cells: NamedCells): HTMLElement {
  const rows = cells.map(({ name, summary: { figures } }) => {
    let from = 0;
    const pieces = DOWNTIME_PARTS.map(({ key, name: part }, fill): BarPiece => {
      const { median } = figures[key];
      const piece = { fill, title: `${part}: ${formatMs(median)}`, from, to: from + median };
      from = piece.to;
      return piece;
    });
    return { name, pieces, value: tellInterval(figures.downtimeMs, formatMs) };
  });
  return barChart({
    kind: "sweep-cells-downtime",
    caption: "Downtime of cells at one rate: medians of its parts",
    rows,
    names: "long",
    from: 0,
    to: Math.max(...rows.map(({ pieces }) => pieces.at(-1)!.to)),
    legend: DOWNTIME_PARTS.map(({ name }, fill) => [fill, name]),
    formatTick: formatMs,
    table: () => ({
      head: ["cell", ...DOWNTIME_PARTS.map(({ name }) => name), "all"],
      rows: cells.map(({ name, summary: { figures } }) => [
        name,
        ...DOWNTIME_PARTS.map(({ key }) => formatMs(figures[key].median)),
        formatMs(figures.downtimeMs.median),
      ]),
    }),
  });
}

const LIMIT_FILL = 0;
const REST_FILL = 1;

function totalBars(cells: NamedCells): HTMLElement {
  const rows = cells.map(({ name, summary }) => {
    const { totalMs } = summary.figures;
    const limitMs = Math.min(sweepLimit(summary)?.totalMs ?? 0, totalMs.median);
    const pieces: readonly BarPiece[] = [
      { fill: LIMIT_FILL, title: `limit: ${formatMs(limitMs)}`, from: 0, to: limitMs },
      { fill: REST_FILL, title: "beyond it", from: limitMs, to: totalMs.median },
    ];
    return { name, pieces, value: tellInterval(totalMs, formatMs) };
  });
  return barChart({
    kind: "sweep-cells-total",
    caption: "Total time of cells at one rate, and the limit",
    rows,
    names: "long",
    from: 0,
    to: Math.max(...rows.map(({ pieces }) => pieces.at(-1)!.to)),
    legend: [
      [LIMIT_FILL, "limit: all memory once over the link"],
      [REST_FILL, "beyond it"],
    ],
    formatTick: formatMs,
    table: () => ({
      head: ["cell", "limit", "total time"],
      rows: rows.map(({ name, pieces, value }) => [name, formatMs(pieces[0]!.to), value]),
    }),
  });
}
