import { expect, test } from "vitest";
import { fuzzCodec } from "../fuzz/codec.fuzz.ts";

const { SEED, FUZZ_STREAMS } = process.env;

test("damaged streams give a code and a place, never a crash (SEED, FUZZ_STREAMS)", () => {
  const seed = Number(SEED ?? 20_251_123);
  const result = fuzzCodec(seed, Number(FUZZ_STREAMS ?? 3_000));
  console.log(`seed ${seed}:`, JSON.stringify(result));
  expect(result.readable).toBeGreaterThan(result.streams / 20);
  expect(Object.keys(result.codes).length).toBeGreaterThan(20);
});
