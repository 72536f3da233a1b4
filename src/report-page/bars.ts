import { type TableContent, tableBehind } from "./data-table.ts";
import { element } from "./dom.ts";

/** A piece of a bar. */
export interface BarPiece {
  /** Which colour and pattern. */
  readonly fill: number;
  /** For who points at it. */
  readonly title: string;
  readonly from: number;
  readonly to: number;
}

/** A row of a bar chart. */
export interface BarRow {
  readonly name: string;
  readonly pieces: readonly BarPiece[];
  /** Said at its end. */
  readonly value: string;
}

/** What a bar chart shows. */
export interface BarChart {
  readonly kind: string;
  readonly caption: string;
  readonly rows: readonly BarRow[];
  /** What of the axis is shown. */
  readonly from: number;
  readonly to: number;
  /** Names of fills, by their number, as far as they are used. */
  readonly legend: readonly (readonly [fill: number, name: string])[];
  /** Names that are whole phrases need more room. */
  readonly names?: "short" | "long";
  readonly formatTick: (value: number) => string;
  /** All that it shows, in numbers; its name is the caption. */
  readonly table: () => Omit<TableContent, "caption">;
}

const TICKS = 5;

/** Rows of bars in colours and patterns, with a legend, an axis and the table behind. */
export function barChart(chart: BarChart): HTMLElement {
  const rows = element(
    "div",
    {
      class: chart.names === "long" ? "bars long" : "bars",
      tabindex: 0,
      role: "region",
      "aria-label": chart.caption,
    },
    ...chart.rows.map((row) => barRow(row, chart)),
    axis(chart),
  );
  const pieces = chart.rows.reduce((sum, row) => sum + row.pieces.length, 0);
  return element(
    "figure",
    { "data-chart": chart.kind, "data-points": pieces },
    element("figcaption", {}, chart.caption),
    legend(chart.legend),
    rows,
    tableBehind(chart.caption, chart.table),
  );
}

function barRow({ name, pieces, value }: BarRow, chart: BarChart): HTMLElement {
  const span = chart.to - chart.from || 1;
  const place = (at: number) => Math.min(1, Math.max(0, (at - chart.from) / span)) * 100;
  const shown = pieces.filter(({ from, to }) => to > chart.from && from < chart.to);
  const drawn = shown.map(({ fill, title, from, to }) => {
    const piece = element("span", { class: `piece fill-${fill}`, title });
    piece.style.left = `${place(from)}%`;
    piece.style.width = `${place(to) - place(from)}%`;
    return piece;
  });
  return element(
    "div",
    { class: "bar-row" },
    element("span", { class: "bar-name", title: name }, name),
    element("span", { class: "bar-room" }, ...drawn),
    element("span", { class: "bar-value" }, value),
  );
}

function axis({ from, to, formatTick }: BarChart): HTMLElement {
  const ticks = Array.from({ length: TICKS }, (_, index) => {
    const share = index / (TICKS - 1);
    const tick = element("span", { class: "tick" }, formatTick(from + (to - from) * share));
    tick.style.left = `${share * 100}%`;
    return tick;
  });
  return element(
    "div",
    { class: "bar-row axis", "aria-hidden": "true" },
    element("span", { class: "bar-name" }),
    element("span", { class: "bar-room" }, ...ticks),
    element("span", { class: "bar-value" }),
  );
}

function legend(names: BarChart["legend"]): HTMLElement {
  return element(
    "ul",
    { class: "legend" },
    ...names.map(([fill, name]) =>
      element("li", {}, element("span", { class: `swatch fill-${fill}` }), name),
    ),
  );
}
