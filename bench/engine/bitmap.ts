import { loadNativeEngine } from "#dist/engine/native.js";
import { createReferenceEngine } from "#dist/engine/reference/engine.js";
import { listEngines } from "#dist/engine/select.js";
import type { PageEngine } from "#dist/engine/types.js";
import { plainRead } from "../baselines.ts";
import { type BenchCase, check, type Task } from "../case.ts";
import { countBits, randomBitmap } from "../fixtures.ts";

/** The dirty bitmap of a guest of 128 GiB. */
const BITMAP_BYTES = 4 * 2 ** 20;
const DENSITIES = [0, 0.001, 0.01, 0.1];

export const bitmapCases: readonly BenchCase[] = [
  ...DENSITIES.map(scanCase),
  {
    name: "bitmap/count 1%",
    bytesPerRun: BITMAP_BYTES,
    prepare(engine) {
      const bitmap = randomBitmap(BITMAP_BYTES, 0.01, "count");
      check("countBitmap", engine.countBitmap(bitmap), countBits(bitmap));
      return { run: () => engine.countBitmap(bitmap), baselines: [plainRead(bitmap.length)] };
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
      const pfns = new Uint32Array(countBits(bitmap) + 1);
      check("scanBitmap", engine.scanBitmap(bitmap, 0, pfns), pfns.length - 1);
      const loop = plainLoop();
      return {
        run: () => engine.scanBitmap(bitmap, 0, pfns),
        baselines: [
          { name: loop.name, run: () => loop.engine.scanBitmap(bitmap, 0, pfns) },
          plainRead(bitmap.length),
        ],
      };
    },
  };
}

/** The loop over words and trailing zeros, in C++ if there is an add-on. */
function plainLoop(): { readonly name: string; readonly engine: PageEngine } {
  const hasNative = listEngines().some(({ name, available }) => name === "native" && available);
  return hasNative
    ? { name: "plain ctz loop", engine: loadNativeEngine({ scanBitmap: "portable" }) }
    : { name: "plain TypeScript loop", engine: createReferenceEngine() };
}
