import { expect, test } from "vitest";
import { fuzzDescribe } from "../fuzz/describe.fuzz.ts";

const { SEED, FUZZ_BODIES } = process.env;

test("damaged bodies are described, never a crash (SEED, FUZZ_BODIES)", () => {
  const seed = Number(SEED ?? 20_251_125);
  const bodies = Number(FUZZ_BODIES ?? 2_000);
  const { errors } = fuzzDescribe(seed, bodies);
  console.log(`seed ${seed}: ${errors} of ${bodies} could not be decoded`);
  expect(errors).toBeGreaterThan(bodies / 20);
  expect(errors).toBeLessThan(bodies);
});
