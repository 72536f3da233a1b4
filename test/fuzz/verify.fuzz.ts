import { expect, test } from "vitest";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { fuzzSettings } from "../support/fuzz.ts";
import { fuzzVerify } from "../support/fuzz-verify.ts";

test(
  "verifying in one way is verifying in another",
  async () => {
    const settings = fuzzSettings("verify", 20_000);
    const { codes } = await fuzzVerify(settings, createReferenceEngine(), undefined);
    expect(Object.keys(codes).length).toBeGreaterThan(0);
  },
  Number.POSITIVE_INFINITY,
);
