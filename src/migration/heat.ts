import { roundUp } from "../base/units.ts";
import type { PageEngine } from "../engine/types.ts";
import type { Heat } from "../report/profile.ts";
import { ThinnedSeries } from "../report/thinned-series.ts";

const CELLS_MAX = 512;
const ROWS_MAX = 256;

/** Frames of which a part of a bitmap can be counted: whole words of it. */
const WORD_PFNS = 64;

/** Counts dirty pages by place and iteration, a part of the bitmap at a time. */
export class HeatMap {
  readonly #engine: PageEngine;
  readonly #pfnsPerCell: number;
  readonly #rows = new ThinnedSeries<Heat["rows"][number]>(ROWS_MAX);

  constructor(engine: PageEngine, pfnCount: number) {
    this.#engine = engine;
    this.#pfnsPerCell = roundUp(Math.ceil(pfnCount / CELLS_MAX), WORD_PFNS);
  }

  /** Adds a row. @param dirtyBitmap as of `PageEngine.countBitmap`. */
  add(iteration: number, dirtyBitmap: Uint8Array): void {
    const cellBytes = this.#pfnsPerCell / 8;
    const dirtyPages: number[] = [];
    for (let at = 0; at < dirtyBitmap.length; at += cellBytes) {
      dirtyPages.push(this.#engine.countBitmap(dirtyBitmap.subarray(at, at + cellBytes)));
    }
    this.#rows.add({ iteration, dirtyPages });
  }

  content(): Heat {
    return { pfnsPerCell: this.#pfnsPerCell, rows: this.#rows.entries() };
  }
}
