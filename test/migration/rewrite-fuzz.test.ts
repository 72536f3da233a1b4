import { expect, test } from "vitest";
import { enginesUnderTest } from "../support/engines.ts";
import { fuzzSettings } from "../support/fuzz.ts";
import { fuzzRewrite } from "../support/fuzz-rewrite.ts";

const { engine } = enginesUnderTest().engines.find(({ label }) => label === "wasm")!;

test("damaged images are rewritten to sound ones, or not (SEED, ITERATIONS)", async () => {
  const { written, refused, set } = await fuzzRewrite(fuzzSettings("rewrite", 80), engine);
  expect(written).toBeGreaterThan(10);
  expect(refused).toBeGreaterThan(10);
  expect(set).toBeGreaterThan(1000);
});
