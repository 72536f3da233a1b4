import type { Profile } from "./profile.ts";

type Heat = NonNullable<Profile["heat"]>;

/** A run of frames that were written much more often than the rest. */
export interface HotRegion {
  /** "A", "B" and so on, the one with most writes first. */
  readonly name: string;
  readonly firstPfn: number;
  /** Last frame of it. */
  readonly lastPfn: number;
  /** Its cells in the heat data. */
  readonly firstCell: number;
  readonly lastCell: number;
  /** Of all pages that were dirtied while iterations ran, 0 to 1. */
  readonly dirtyShare: number;
  /** Of all frames, 0 to 1. */
  readonly memoryShare: number;
  /** Iterations, the first aside, that had to send pages of it. */
  readonly iterations: number;
}

/** How much more than the mean of all cells one must have to be hot. */
const HOT_FACTOR = 1.5;
/** Cells that may be cool between two hot ones of a region. */
const GAP_CELLS_MAX = 1;
const REGIONS_MAX = 6;
const DIRTY_SHARE_MIN = 0.01;

/**
 * Where memory was written, told from what each iteration had to send: not the first, which sends
 * all. Empty where writes were spread evenly, or there were none.
 */
export function hotRegions(heat: Heat): readonly HotRegion[] {
  const rows = heat.rows.filter(({ iteration }) => iteration > 0);
  const cellCount = cellCountOf(heat);
  const sums = new Float64Array(cellCount);
  for (const { dirtyPages } of rows) {
    for (const [cell, pages] of dirtyPages.entries()) {
      sums[cell]! += pages;
    }
  }
  const total = sums.reduce((sum, pages) => sum + pages, 0);
  const threshold = (total / cellCount) * HOT_FACTOR;
  const regions = total === 0 ? [] : runsAbove(sums, threshold);
  return regions
    .map(([firstCell, lastCell]) => {
      const dirty = sums.slice(firstCell, lastCell + 1).reduce((sum, pages) => sum + pages, 0);
      return {
        firstPfn: firstCell * heat.pfnsPerCell,
        lastPfn: (lastCell + 1) * heat.pfnsPerCell - 1,
        firstCell,
        lastCell,
        dirtyShare: dirty / total,
        memoryShare: (lastCell - firstCell + 1) / cellCount,
        iterations: rows.filter(({ dirtyPages }) =>
          dirtyPages.slice(firstCell, lastCell + 1).some((pages) => pages > 0),
        ).length,
      };
    })
    .filter(({ dirtyShare }) => dirtyShare >= DIRTY_SHARE_MIN)
    .sort((one, other) => other.dirtyShare - one.dirtyShare)
    .slice(0, REGIONS_MAX)
    .map((region, index) => ({ name: String.fromCharCode(0x41 + index), ...region }));
}

/** Cells of the longest row. */
export function cellCountOf({ rows }: Heat): number {
  return rows.reduce((most, { dirtyPages }) => Math.max(most, dirtyPages.length), 0);
}

/**
 * The same with neighbouring cells and rows put together, so that there are no more than so many.
 * A row stands for the iterations from its number up to that of the next.
 */
export function thinHeat(heat: Heat, { cellsMax }: { readonly cellsMax: number }): Heat {
  let thinned = heat;
  while (thinned.rows.length * cellCountOf(thinned) > cellsMax) {
    thinned = thinned.rows.length > cellCountOf(thinned) ? halveRows(thinned) : halveCells(thinned);
  }
  return thinned;
}

function halveCells({ pfnsPerCell, rows }: Heat): Heat {
  return {
    pfnsPerCell: pfnsPerCell * 2,
    rows: rows.map(({ iteration, dirtyPages }) => ({
      iteration,
      dirtyPages: Array.from(
        { length: Math.ceil(dirtyPages.length / 2) },
        (_, cell) => dirtyPages[cell * 2]! + (dirtyPages[cell * 2 + 1] ?? 0),
      ),
    })),
  };
}

function halveRows({ pfnsPerCell, rows }: Heat): Heat {
  const halved = rows.flatMap(({ iteration, dirtyPages }, index) => {
    const next = rows[index + 1]?.dirtyPages ?? [];
    const sum = dirtyPages.map((pages, cell) => pages + (next[cell] ?? 0));
    return index % 2 === 0 ? [{ iteration, dirtyPages: sum }] : [];
  });
  return { pfnsPerCell, rows: halved };
}

function runsAbove(sums: Float64Array, threshold: number): readonly (readonly [number, number])[] {
  const runs: [number, number][] = [];
  for (const [cell, pages] of sums.entries()) {
    const last = runs.at(-1);
    if (pages < threshold) {
      continue;
    }
    if (last !== undefined && cell - last[1] <= GAP_CELLS_MAX + 1) {
      last[1] = cell;
    } else {
      runs.push([cell, cell]);
    }
  }
  return runs;
}
