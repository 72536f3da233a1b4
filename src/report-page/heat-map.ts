import { PAGE_BYTES } from "../base/units.ts";
import { formatBytes, formatCount } from "../report/format.ts";
import { cellCountOf, type HotRegion, hotRegions } from "../report/hot-regions.ts";
import type { ReportRun } from "../report/report-run.ts";
import { percent } from "../report/summary.ts";
import { dataTable, tableBehind } from "./data-table.ts";
import { element } from "./dom.ts";
import { heatColour } from "./palette.ts";

type Heat = NonNullable<ReportRun["heat"]>;

/** Place of a cell. */
interface Place {
  readonly row: number;
  readonly cell: number;
}

/** Pixels of a row, at least. */
const ROW_PX_MIN = 4;
const HEIGHT_PX = 320;

/** Frames to the right, iterations downwards, and how much of each cell had to be sent. */
export function heatMap(heat: Heat): HTMLElement {
  const regions = hotRegions(heat);
  const caption = "Where memory was written: pages to send by frame and iteration";
  const canvas = heatCanvas(heat, caption);
  const readOut = element("output", { class: "read-out" }, "Point at the map, or use arrow keys");
  follow(canvas, heat, readOut);
  const cells = heat.rows.reduce((sum, { dirtyPages }) => sum + dirtyPages.length, 0);
  return element(
    "figure",
    { "data-chart": "heat", "data-points": cells },
    element("figcaption", {}, caption),
    heatLegend(heat),
    element(
      "div",
      { class: "heat" },
      regionMarks(regions, cellCountOf(heat)),
      rowNames(heat),
      canvas,
      frameNames(heat),
    ),
    readOut,
    regions.length === 0
      ? element("p", {}, "No part of memory was written much more often than the rest.")
      : dataTable(regionTable(regions)),
    tableBehind("Pages to send by iteration and region", () => rowTable(heat, regions)),
  );
}

function heatCanvas(heat: Heat, caption: string): HTMLCanvasElement {
  const columns = cellCountOf(heat);
  const canvas = element("canvas", {
    width: columns,
    height: heat.rows.length,
    tabindex: 0,
    role: "img",
    "aria-label": `${caption}. Arrow keys read cells out; the tables below sum them up.`,
  });
  canvas.style.height = `${Math.max(HEIGHT_PX, heat.rows.length * ROW_PX_MIN)}px`;
  const context = canvas.getContext("2d")!;
  const image = context.createImageData(columns, heat.rows.length);
  const full = Math.log1p(heat.pfnsPerCell);
  for (const [row, { dirtyPages }] of heat.rows.entries()) {
    for (const [cell, pages] of dirtyPages.entries()) {
      if (pages > 0) {
        image.data.set([...heatColour(Math.log1p(pages) / full), 255], (row * columns + cell) * 4);
      }
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Tells what is below the pointer, or where arrow keys have gone. */
function follow(canvas: HTMLCanvasElement, heat: Heat, readOut: HTMLOutputElement): void {
  const last = { row: heat.rows.length - 1, cell: cellCountOf(heat) - 1 };
  let place: Place = { row: 0, cell: 0 };
  const goTo = ({ row, cell }: Place) => {
    place = {
      row: Math.min(last.row, Math.max(0, row)),
      cell: Math.min(last.cell, Math.max(0, cell)),
    };
    readOut.textContent = tellCell(heat, place);
  };
  canvas.addEventListener("pointermove", (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    goTo({
      row: Math.floor(((event.clientY - top) / height) * heat.rows.length),
      cell: Math.floor(((event.clientX - left) / width) * cellCountOf(heat)),
    });
  });
  canvas.addEventListener("keydown", (event) => {
    const { row, cell } = place;
    const moves: Readonly<Record<string, Place>> = {
      ArrowRight: { row, cell: cell + 1 },
      ArrowLeft: { row, cell: cell - 1 },
      ArrowDown: { row: row + 1, cell },
      ArrowUp: { row: row - 1, cell },
      Home: { row, cell: 0 },
      End: { row, cell: last.cell },
    };
    const next = moves[event.key];
    if (next !== undefined) {
      event.preventDefault();
      goTo(next);
    }
  });
}

function tellCell({ rows, pfnsPerCell }: Heat, { row, cell }: Place): string {
  const { iteration, dirtyPages } = rows[row]!;
  const pages = dirtyPages[cell] ?? 0;
  const frames = frameRange(cell * pfnsPerCell, (cell + 1) * pfnsPerCell - 1);
  const share = percent(pages / pfnsPerCell);
  return `iteration ${iteration} · ${frames} · ${formatCount(pages)} pages to send, ${share}`;
}

function frameRange(first: number, last: number): string {
  return `frames 0x${first.toString(16)}–0x${last.toString(16)}`;
}

/** The names of hot regions above the map, each with a line as wide as the region. */
function regionMarks(regions: readonly HotRegion[], cellCount: number): HTMLElement {
  const marks = regions.map(({ name, firstCell, lastCell }) => {
    const mark = element("span", { class: "region-mark" }, name);
    mark.style.left = `${(firstCell / cellCount) * 100}%`;
    mark.style.width = `${((lastCell - firstCell + 1) / cellCount) * 100}%`;
    return mark;
  });
  return element("div", { class: "region-marks", "aria-hidden": "true" }, ...marks);
}

const ROW_NAMES = 9;

function rowNames({ rows }: Heat): HTMLElement {
  const step = Math.max(1, Math.ceil(rows.length / ROW_NAMES));
  const names = rows.flatMap(({ iteration }, index) => {
    if (index % step !== 0) {
      return [];
    }
    const name = element("span", {}, String(iteration));
    name.style.top = `${((index + 0.5) / rows.length) * 100}%`;
    return [name];
  });
  return element("div", { class: "row-names", "aria-hidden": "true" }, ...names);
}

const FRAME_NAMES = 5;

function frameNames(heat: Heat): HTMLElement {
  const frames = cellCountOf(heat) * heat.pfnsPerCell;
  const names = Array.from({ length: FRAME_NAMES }, (_, index) => {
    const share = index / (FRAME_NAMES - 1);
    const name = element("span", {}, formatBytes(Math.round(frames * share) * PAGE_BYTES));
    name.style.left = `${share * 100}%`;
    return name;
  });
  return element("div", { class: "frame-names", "aria-hidden": "true" }, ...names);
}

const LEGEND_STEPS = 24;

function heatLegend({ pfnsPerCell }: Heat): HTMLElement {
  const canvas = element("canvas", { width: LEGEND_STEPS, height: 1, class: "scale" });
  const context = canvas.getContext("2d")!;
  for (let step = 0; step < LEGEND_STEPS; step++) {
    context.fillStyle = `rgb(${heatColour((step + 0.5) / LEGEND_STEPS).join(" ")})`;
    context.fillRect(step, 0, 1, 1);
  }
  const size = `${formatCount(pfnsPerCell)} frames (${formatBytes(pfnsPerCell * PAGE_BYTES)})`;
  return element(
    "p",
    { class: "legend" },
    "one page ",
    canvas,
    ` all ${size} of a cell, by logarithm; nothing is left blank`,
  );
}

function regionTable(regions: readonly HotRegion[]) {
  return {
    caption: "Hot regions",
    head: ["region", "frames", "size", "of memory", "of pages sent again", "iterations"],
    rows: regions.map((region) => [
      region.name,
      frameRange(region.firstPfn, region.lastPfn),
      formatBytes((region.lastPfn - region.firstPfn + 1) * PAGE_BYTES),
      percent(region.memoryShare),
      percent(region.dirtyShare),
      String(region.iterations),
    ]),
  };
}

function rowTable({ rows }: Heat, regions: readonly HotRegion[]) {
  return {
    head: ["iteration", "all", ...regions.map(({ name }) => `region ${name}`)],
    rows: rows.map(({ iteration, dirtyPages }) => [
      String(iteration),
      formatCount(sumOf(dirtyPages)),
      ...regions.map(({ firstCell, lastCell }) =>
        formatCount(sumOf(dirtyPages.slice(firstCell, lastCell + 1))),
      ),
    ]),
  };
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
