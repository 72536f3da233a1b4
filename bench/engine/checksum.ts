import { PAGE_BYTES } from "#dist/base/units.js";
import { createReferenceEngine } from "#dist/engine/reference/engine.js";
import type { PageEngine } from "#dist/engine/types.js";
import { otherVariants, plainRead } from "../baselines.ts";
import { type BenchCase, check } from "../case.ts";
import { inOrder, randomWindow } from "../fixtures.ts";

export const checksumCases: readonly BenchCase[] = [
  checksumCase("checksum/in cache", 64),
  checksumCase("checksum/in memory", 128 * 1024),
];

function checksumCase(name: string, pageCount: number): BenchCase {
  return {
    name,
    bytesPerRun: pageCount * PAGE_BYTES,
    prepare(engine) {
      const window = randomWindow(pageCount, name);
      const pageIndexes = inOrder(pageCount);
      const crcs = new Uint32Array(pageCount);
      const wanted = new Uint32Array(pageCount);
      const runOn = (on: PageEngine): number => on.checksumPages(window, pageIndexes, crcs);
      const run = (): number => runOn(engine);
      check("checksumPages", run(), pageCount);
      createReferenceEngine().checksumPages(window, pageIndexes, wanted);
      check("last checksum", crcs.at(-1)!, wanted.at(-1)!);
      return {
        run,
        baselines: [plainRead(window), ...otherVariants(engine, "checksumPages", runOn)],
      };
    },
  };
}
