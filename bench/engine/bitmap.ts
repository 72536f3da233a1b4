import type { PageEngine } from "#dist/engine/types.js";
import { otherVariants, plainList, plainRead } from "../baselines.ts";
import { type BenchCase, check, type Task } from "../case.ts";
import { countBits, randomBitmap } from "../fixtures.ts";

/** The dirty bitmap of a guest of 1 TiB. */
const BITMAP_BYTES = 32 * 2 ** 20;
const DENSITIES = [0, 0.0001, 0.001, 0.01, 0.1];
/** Entries beyond the last pfn: so that no list ends because it is full. */
const SPARE_ENTRIES = 4096;

export const bitmapCases: readonly BenchCase[] = [
  ...DENSITIES.map(scanCase),
  {
    name: "bitmap/count 1%",
    bytesPerRun: BITMAP_BYTES,
    prepare(engine) {
      const bitmap = randomBitmap(BITMAP_BYTES, 0.01, "count");
      check("countBitmap", engine.countBitmap(bitmap), countBits(bitmap));
      return { run: () => engine.countBitmap(bitmap), baselines: [plainRead(bitmap)] };
    },
  },
  {
    name: "bitmap/or 1%",
    bytesPerRun: BITMAP_BYTES,
    prepare(engine) {
      const into = randomBitmap(BITMAP_BYTES, 0.01, "into");
      const from = randomBitmap(BITMAP_BYTES, 0.01, "from");
      const union = into.map((byte, at) => byte | from[at]!);
      check("orBitmap", engine.orBitmap(into, from), countBits(union));
      const copy: Task = { name: "memcpy", run: () => union.set(from) };
      return { run: () => engine.orBitmap(into, from), baselines: [copy] };
    },
  },
];

function scanCase(density: number): BenchCase {
  return {
    name: `bitmap/scan ${density * 100}%`,
    bytesPerRun: BITMAP_BYTES,
    prepare(engine) {
      const bitmap = randomBitmap(BITMAP_BYTES, density, "scan");
      const setBits = countBits(bitmap);
      const pfns = new Uint32Array(setBits + SPARE_ENTRIES);
      check("scanBitmap", engine.scanBitmap(bitmap, 0, pfns), setBits);
      const runOn = (on: PageEngine): number => on.scanBitmap(bitmap, 0, pfns);
      const others = otherVariants(engine, "scanBitmap", runOn);
      return {
        run: () => runOn(engine),
        baselines: [plainRead(bitmap), plainList(bitmap, pfns), ...others],
      };
    },
  };
}
