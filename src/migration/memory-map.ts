import { PAGE_TYPE } from "../format/page-type.ts";
import type { PagePlace } from "./frame-table.ts";

/** Cells in a row, and rows at most. */
const ROW_CELLS = 64;
const ROWS_MAX = 32;

/** Cells by what they show; the first that fits is taken. */
const MAP_LEGEND = {
  T: "page tables among them",
  "#": "three quarters or more hold data",
  "+": "a quarter or more",
  ":": "some",
  ".": "zeros only",
  "-": "no memory",
  " ": "not named",
} as const;

type Symbol = keyof typeof MAP_LEGEND;

/** Where in a guest's memory there is what. */
export interface MemoryMap {
  /** Frames that one character stands for: a power of two. */
  readonly frames_per_cell: number;
  readonly legend: typeof MAP_LEGEND;
  /** Rows of 64 cells, from the lowest frame up; rows that name no frame are left out. */
  readonly rows: readonly { readonly first_pfn: number; readonly cells: string }[];
}

/** What a map is drawn from. */
interface MappedFrame {
  readonly place: PagePlace;
  readonly pageType: number;
}

interface Cell {
  named: number;
  zero: number;
  data: number;
  tables: number;
}

/** Draws frames, given rising. */
export function drawMemory(pfns: Uint32Array, frameOf: (pfn: number) => MappedFrame): MemoryMap {
  const framesPerCell = cellFrames(pfns.at(-1) ?? 0);
  const cells = new Map<number, Cell>();
  for (const pfn of pfns) {
    count(cellAt(cells, Math.floor(pfn / framesPerCell)), frameOf(pfn));
  }
  const rowNumbers = new Set([...cells.keys()].map((index) => Math.floor(index / ROW_CELLS)));
  const rows = [...rowNumbers].map((row) => ({
    first_pfn: row * ROW_CELLS * framesPerCell,
    cells: Array.from({ length: ROW_CELLS }, (_, column) =>
      symbolOf(cells.get(row * ROW_CELLS + column), framesPerCell),
    ).join(""),
  }));
  return { frames_per_cell: framesPerCell, legend: MAP_LEGEND, rows };
}

function cellFrames(highestPfn: number): number {
  let frames = 1;
  while (frames * ROW_CELLS * ROWS_MAX <= highestPfn) {
    frames *= 2;
  }
  return frames;
}

function cellAt(cells: Map<number, Cell>, index: number): Cell {
  const known = cells.get(index);
  if (known !== undefined) {
    return known;
  }
  const fresh = { named: 0, zero: 0, data: 0, tables: 0 };
  cells.set(index, fresh);
  return fresh;
}

function count(cell: Cell, { place, pageType }: MappedFrame): void {
  const isTable = pageType !== PAGE_TYPE.NOTAB && pageType <= PAGE_TYPE.L4TAB_PIN;
  cell.named++;
  cell.zero += place === "zero" ? 1 : 0;
  cell.data += typeof place === "number" ? 1 : 0;
  cell.tables += isTable ? 1 : 0;
}

function symbolOf(cell: Cell | undefined, framesPerCell: number): Symbol {
  if (cell === undefined) {
    return " ";
  }
  const { zero, data, tables } = cell;
  if (tables > 0) {
    return "T";
  }
  if (data > 0) {
    return data * 4 >= framesPerCell * 3 ? "#" : data * 4 >= framesPerCell ? "+" : ":";
  }
  return zero > 0 ? "." : "-";
}
