import { expect, test } from "vitest";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { fuzzSettings } from "../support/fuzz.ts";
import { fuzzRewrite } from "../support/fuzz-rewrite.ts";

test(
  "damaged images are rewritten to sound ones, or not",
  async () => {
    const settings = fuzzSettings("rewrite", 20_000);
    const { written, refused } = await fuzzRewrite(settings, createReferenceEngine());
    expect(written).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  },
  Number.POSITIVE_INFINITY,
);
