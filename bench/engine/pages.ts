import { PAGE_BYTES } from "#dist/base/units.js";
import type { PageEngine } from "#dist/engine/types.js";
import { otherVariants, plainCopy, plainRead } from "../baselines.ts";
import { type BenchCase, check, type Task } from "../case.ts";
import { inOrder, randomNumbers, randomWindow } from "../fixtures.ts";

/** 512 MiB, more than the caches hold. */
const WINDOW_PAGES = 128 * 1024;
/** What one PAGE_DATA record carries. */
const BATCH_PAGES = 1024;
const BATCH_BYTES = BATCH_PAGES * PAGE_BYTES;

export const pagesCases: readonly BenchCase[] = [
  {
    name: "pages/zero of zero pages",
    bytesPerRun: WINDOW_PAGES * PAGE_BYTES,
    prepare(engine) {
      const window = new Uint8Array(WINDOW_PAGES * PAGE_BYTES).fill(0);
      const pageIndexes = inOrder(WINDOW_PAGES);
      const isZero = new Uint8Array(WINDOW_PAGES);
      const runOn = (on: PageEngine): number => on.findZeroPages(window, pageIndexes, isZero);
      const run = (): number => runOn(engine);
      check("findZeroPages", run(), WINDOW_PAGES);
      const others = otherVariants(engine, "findZeroPages", runOn);
      return { run, baselines: [plainRead(window), ...others] };
    },
  },
  {
    name: "pages/zero of random pages",
    bytesPerRun: WINDOW_PAGES * PAGE_BYTES,
    prepare(engine) {
      const window = randomWindow(WINDOW_PAGES, "zero");
      const pageIndexes = inOrder(WINDOW_PAGES);
      const isZero = new Uint8Array(WINDOW_PAGES);
      const run = (): number => engine.findZeroPages(window, pageIndexes, isZero);
      check("findZeroPages", run(), 0);
      return { run, baselines: [plainRead(window)] };
    },
  },
  {
    name: "pages/gather scattered",
    bytesPerRun: BATCH_BYTES,
    prepare(engine) {
      const window = randomWindow(WINDOW_PAGES, "gather");
      const pageIndexes = randomNumbers(BATCH_PAGES, WINDOW_PAGES, "gather");
      const pages = new Uint8Array(BATCH_BYTES);
      const run = (): number => engine.gatherPages(window, pageIndexes, pages);
      check("gatherPages", run(), BATCH_PAGES);
      const last = pageIndexes.at(-1)! * PAGE_BYTES;
      const isSame = Buffer.from(pages.subarray(-PAGE_BYTES)).equals(
        window.subarray(last, last + PAGE_BYTES),
      );
      check("last page gathered", Number(isSame), 1);
      return { run, baselines: [plainCopy(window, BATCH_BYTES)] };
    },
  },
  {
    name: "pages/scatter",
    bytesPerRun: BATCH_BYTES,
    prepare(engine) {
      const window = randomWindow(WINDOW_PAGES, "window");
      const pageIndexes = randomNumbers(BATCH_PAGES, WINDOW_PAGES, "scatter");
      const pages = randomWindow(BATCH_PAGES, "scatter");
      const run = (): number => engine.scatterPages(pages, pageIndexes, window);
      check("scatterPages", run(), BATCH_PAGES);
      return { run, baselines: [plainCopy(window, BATCH_BYTES)] };
    },
  },
  {
    name: "pages/compare equal",
    bytesPerRun: BATCH_BYTES,
    prepare(engine) {
      const window = randomWindow(WINDOW_PAGES, "compare");
      const pages = window.slice(0, BATCH_BYTES);
      const pageIndexes = inOrder(BATCH_PAGES);
      const differs = new Uint8Array(BATCH_PAGES);
      const run = (): number => engine.comparePages(window, pageIndexes, pages, differs);
      check("comparePages", run(), 0);
      const first = window.subarray(0, BATCH_BYTES);
      const memcmp: Task = { name: "memcmp", run: () => Buffer.compare(first, pages) };
      return { run, baselines: [memcmp] };
    },
  },
];
