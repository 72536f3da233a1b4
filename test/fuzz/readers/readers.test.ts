import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { seededRandom } from "../../support/splitmix32.ts";
import { readCorpus } from "./corpus.ts";
import { type Corpus, fuzzRange } from "./run.ts";
import { fuzzTargets } from "./targets.ts";

/** Inputs of each target; `npm run fuzz:readers` has as many as it is asked for. */
const COUNT = 400;
const KEPT = fileURLToPath(new URL("../corpus", import.meta.url));
const TARGETS = fuzzTargets().map((target) => [target.name, target] as const);
const { SEED } = process.env;

test.each(TARGETS)("%s survives damaged inputs (SEED)", async (_name, target) => {
  const corpus: Corpus = new Map();
  await fuzzRange(target, { seed: Number(SEED ?? 20_251_125), first: 0, count: COUNT }, corpus);
  expect(corpus.size).toBeGreaterThan(1);
});

test.each(TARGETS)("%s survives the inputs that were kept", async (name, target) => {
  const kept = readCorpus(KEPT, name);
  expect(kept.size).toBeGreaterThan(1);
  for (const bytes of kept.values()) {
    expect(await target.read(bytes, seededRandom(1))).toMatch(/./);
  }
});
