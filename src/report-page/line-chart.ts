import uPlot from "uplot";
import { type TableContent, tableBehind } from "./data-table.ts";
import { element, svgElement } from "./dom.ts";
import { colourOf, dashOf, themeColour } from "./palette.ts";
import type { ThemeWatch } from "./theme.ts";

/** One line of a chart. */
export interface LineSeries {
  readonly name: string;
  /** One for each place of the chart's x axis; `null` where there is none. */
  readonly values: readonly (number | null)[];
  /** Least and most that a value may truly be, drawn as a bar through it. */
  readonly ranges?: readonly (readonly [low: number, high: number] | null)[] | undefined;
  /** "step": a value holds up to the next; "limit": no measurement, drawn thin. */
  readonly shape: "line" | "step" | "limit";
  /** Another series' number whose colour this has. */
  readonly likeSeries?: number | undefined;
}

/** A stretch of the x axis that is marked. */
export interface Band {
  readonly from: number;
  readonly to: number;
  readonly name: string;
}

/** What a line chart shows. */
export interface LineChart {
  readonly kind: string;
  readonly caption: string;
  readonly xName: string;
  readonly xs: readonly number[];
  readonly formatX: (value: number) => string;
  readonly yName: string;
  readonly formatY: (value: number) => string;
  readonly scale: "linear" | "logarithmic";
  readonly series: readonly LineSeries[];
  readonly bands?: readonly Band[];
  /** All that it shows, in numbers; its name is the caption. */
  readonly table: () => Omit<TableContent, "caption">;
}

const HEIGHT_PX = 280;
const WIDTH_PX_MIN = 280;
/** Room for the y axis with its name, and between two names of the x axis. */
const AXIS_PX = 88;
const X_SPACE_PX = 90;

/**
 * Lines over an axis. With the keyboard: arrows move from place to place and what is there is read
 * out; buttons of the legend show and hide lines.
 */
export function lineChart(chart: LineChart, theme: ThemeWatch): HTMLElement {
  const room = element("div", {
    class: "plot",
    tabindex: 0,
    role: "img",
    "aria-label": `${chart.caption}. Arrow keys read values out; the table below has all.`,
  });
  const readOut = element("output", { class: "read-out" }, "Point at the chart, or use arrow keys");
  const plot = new uPlot(options(chart, readOut), dataOf(chart), room);
  followWidth(plot, room);
  addKeys(plot, room, chart);
  theme.watch(room, () => plot.redraw());
  const values = chart.series.flatMap((series) => series.values.filter((value) => value !== null));
  return element(
    "figure",
    { "data-chart": chart.kind, "data-points": values.length },
    element("figcaption", {}, chart.caption),
    legend(chart, plot),
    room,
    readOut,
    tableBehind(chart.caption, chart.table),
  );
}

function dataOf({ xs, series }: LineChart): uPlot.AlignedData {
  return [[...xs], ...series.map(({ values }) => [...values])] as uPlot.AlignedData;
}

function options(chart: LineChart, readOut: HTMLOutputElement): uPlot.Options {
  return {
    width: WIDTH_PX_MIN,
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 8 } },
    scales: { x: { time: false }, y: scaleOf(chart) },
    axes: [
      { ...axisOf(chart.xName, chart.formatX), space: X_SPACE_PX },
      { ...axisOf(chart.yName, chart.formatY), size: AXIS_PX },
    ],
    series: [{}, ...chart.series.map(lineOf)],
    hooks: {
      drawClear: [(plot) => drawBands(plot, chart.bands ?? [])],
      draw: [(plot) => drawRanges(plot, chart)],
      setCursor: [(plot) => readOutAt(plot, chart, readOut)],
    },
  };
}

/** A y axis with room for the bars through points, too. */
function scaleOf({ scale, series }: LineChart): uPlot.Scale {
  const ends = series.flatMap(({ ranges = [] }) => ranges.flatMap((range) => range ?? []));
  const positive = ends.filter((value) => scale === "linear" || value > 0);
  const [least, most] = [Math.min(...positive), Math.max(...positive)];
  return {
    distr: scale === "logarithmic" ? 3 : 1,
    range: (_plot, low, high) => {
      if (low === null || high === null) {
        return [low, high];
      }
      const [from, to] = [Math.min(low, least), Math.max(high, most)];
      return scale === "logarithmic"
        ? uPlot.rangeLog(from, to, 10, false)
        : uPlot.rangeNum(Math.min(0, from), to, 0.1, true);
    },
  };
}

function axisOf(label: string, format: (value: number) => string): uPlot.Axis {
  const grid = { stroke: () => themeColour("--grid"), width: 1 };
  return {
    label,
    stroke: () => themeColour("--text"),
    grid,
    ticks: grid,
    values: (_plot, splits) => splits.map((value) => (value === null ? "" : format(value))),
  };
}

function lineOf({ name, shape, likeSeries }: LineSeries, index: number): uPlot.Series {
  const look = likeSeries ?? index;
  const isLimit = shape === "limit";
  return {
    label: name,
    stroke: () => colourOf(look),
    width: isLimit ? 1 : 2,
    dash: isLimit ? [2, 4] : [...dashOf(look)],
    spanGaps: !isLimit && shape === "line",
    points: { show: shape !== "step", size: isLimit ? 4 : 7 },
    ...(shape === "step" && { paths: uPlot.paths.stepped!({ align: 1 }) }),
  };
}

function followWidth(plot: uPlot, room: HTMLElement): void {
  const resize = () => {
    const width = Math.max(WIDTH_PX_MIN, Math.floor(room.clientWidth));
    if (width !== plot.width) {
      plot.setSize({ width, height: HEIGHT_PX });
    }
  };
  new ResizeObserver(resize).observe(room);
}

function addKeys(plot: uPlot, room: HTMLElement, { xs }: LineChart): void {
  room.addEventListener("keydown", (event) => {
    const now = plot.cursor.idx ?? -1;
    const moves: Readonly<Record<string, number>> = {
      ArrowRight: now + 1,
      ArrowLeft: now - 1,
      Home: 0,
      End: xs.length - 1,
    };
    const next = moves[event.key];
    if (next === undefined || xs.length === 0) {
      return;
    }
    event.preventDefault();
    const index = Math.min(xs.length - 1, Math.max(0, next));
    const left = plot.valToPos(xs[index]!, "x");
    plot.setCursor({ left, top: plot.over.clientHeight / 2 });
  });
}

function readOutAt(plot: uPlot, chart: LineChart, readOut: HTMLOutputElement): void {
  const { idx } = plot.cursor;
  if (idx === null || idx === undefined) {
    return;
  }
  const values = chart.series.flatMap(({ name, values: all }, index) => {
    const value = all[idx];
    const isShown = plot.series[index + 1]!.show !== false;
    return value === null || value === undefined || !isShown
      ? []
      : [`${name}: ${chart.formatY(value)}`];
  });
  readOut.textContent = [`${chart.xName} ${chart.formatX(chart.xs[idx]!)}`, ...values].join(" · ");
}

/** Buttons that show and hide lines, each with its colour and dashes. */
function legend({ series }: LineChart, plot: uPlot): HTMLElement {
  const items = series.map(({ name, shape, likeSeries }, index) => {
    const look = likeSeries ?? index;
    const dashes = shape === "limit" ? [2, 4] : dashOf(look);
    const line = svgElement("line", {
      ...{ x1: 0, x2: 32, y1: 6, y2: 6, class: `stroke-${look % 8}` },
      "stroke-dasharray": dashes.join(" "),
      "stroke-width": shape === "limit" ? 1 : 3,
    });
    const swatch = svgElement(
      "svg",
      { width: 32, height: 12, class: "line-swatch", "aria-hidden": "true" },
      line,
    );
    const button = element("button", { type: "button", "aria-pressed": "true" }, swatch, name);
    button.addEventListener("click", () => {
      const isShown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(isShown));
      plot.setSeries(index + 1, { show: isShown });
    });
    return element("li", {}, button);
  });
  return element("ul", { class: "legend" }, ...items);
}

/** Marks stretches of the x axis; one too narrow to be seen is a line. */
function drawBands(plot: uPlot, bands: readonly Band[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  for (const { from, to, name } of bands) {
    const left = plot.valToPos(from, "x", true);
    const width = Math.max(devicePixelRatio, plot.valToPos(to, "x", true) - left);
    ctx.fillStyle = themeColour("--band");
    ctx.fillRect(left, bbox.top, width, bbox.height);
    ctx.fillStyle = themeColour("--text");
    ctx.textAlign = left > bbox.left + bbox.width / 2 ? "right" : "left";
    const beside = ctx.textAlign === "right" ? -4 : width + 4;
    ctx.fillText(name, left + beside, bbox.top + 12 * devicePixelRatio);
  }
  ctx.restore();
}

function drawRanges(plot: uPlot, { xs, series }: LineChart): void {
  const { ctx } = plot;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  for (const [index, { ranges, likeSeries }] of series.entries()) {
    if (ranges === undefined || plot.series[index + 1]!.show === false) {
      continue;
    }
    ctx.strokeStyle = colourOf(likeSeries ?? index);
    for (const [place, range] of ranges.entries()) {
      if (range !== null) {
        drawRange(plot, xs[place]!, range);
      }
    }
  }
  ctx.restore();
}

function drawRange(plot: uPlot, at: number, [low, high]: readonly [number, number]): void {
  const { ctx } = plot;
  const cap = 4 * devicePixelRatio;
  const x = plot.valToPos(at, "x", true);
  const [bottom, top] = [plot.valToPos(low, "y", true), plot.valToPos(high, "y", true)];
  ctx.beginPath();
  ctx.moveTo(x, bottom);
  ctx.lineTo(x, top);
  for (const y of [bottom, top]) {
    ctx.moveTo(x - cap, y);
    ctx.lineTo(x + cap, y);
  }
  ctx.stroke();
}
