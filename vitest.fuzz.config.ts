import { defineConfig } from "vitest/config";

const { SEED, ITERATIONS } = process.env;

/** `npm run fuzz`: SEED and ITERATIONS, or else a new seed and many cases. */
export default defineConfig({
  test: {
    include: ["test/fuzz/**/*.fuzz.ts"],
    env: {
      SEED: SEED ?? String(Date.now()),
      ITERATIONS: ITERATIONS ?? "20000",
    },
    maxWorkers: 2,
  },
});
