import { expect, test } from "vitest";
import { fuzzSettings } from "../support/fuzz.ts";
import { fuzzReceive } from "../support/fuzz-receive.ts";

test(
  "receiving by threads is receiving by events",
  async () => {
    const { failures } = await fuzzReceive(fuzzSettings("receive", 20_000));
    expect(failures).toBeGreaterThan(0);
  },
  Number.POSITIVE_INFINITY,
);
