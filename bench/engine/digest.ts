import { PAGE_BYTES } from "#dist/base/units.js";
import { createReferenceEngine } from "#dist/engine/reference/engine.js";
import { DIGEST_BYTES, DIGEST_KEY_BYTES, type PageEngine } from "#dist/engine/types.js";
import { otherVariants, plainRead } from "../baselines.ts";
import { type BenchCase, check } from "../case.ts";
import { inOrder, randomBytes, randomWindow } from "../fixtures.ts";

export const digestCases: readonly BenchCase[] = [
  digestCase("digest/in cache", 64),
  digestCase("digest/in memory", 128 * 1024),
];

function digestCase(name: string, pageCount: number): BenchCase {
  return {
    name,
    bytesPerRun: pageCount * PAGE_BYTES,
    prepare(engine) {
      const window = randomWindow(pageCount, name);
      const key = randomBytes(DIGEST_KEY_BYTES, "key");
      const pageIndexes = inOrder(pageCount);
      const digests = new Uint8Array(pageCount * DIGEST_BYTES);
      const runOn = (on: PageEngine): number => on.digestPages(window, pageIndexes, key, digests);
      const run = (): number => runOn(engine);
      check("digestPages", run(), pageCount);
      const wanted = new Uint8Array(DIGEST_BYTES);
      createReferenceEngine().digestPages(window, pageIndexes.subarray(-1), key, wanted);
      const isSame = Buffer.from(digests.subarray(-DIGEST_BYTES)).equals(wanted);
      check("last digest", Number(isSame), 1);
      return {
        run,
        baselines: [plainRead(window), ...otherVariants(engine, "digestPages", runOn)],
      };
    },
  };
}
