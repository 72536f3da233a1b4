import { runBaseline } from "./baseline.ts";
import type { MigrationCase } from "./case.ts";

const SUBCOMMANDS = ["memcpy", "read"] as const;

/** What this machine does with memory when nothing has to go anywhere: a bound for the others. */
export const memoryCase: MigrationCase = {
  name: "migration/memory",
  about: "one thread copying memory that is there already, and reading it",
  columns: [
    { key: "gigabytesPerSecond", head: "GB/s", digits: 1 },
    { key: "seconds", head: "s", digits: 3 },
  ],
  better: "more",
  baselines: [],
  prepare: async (lab) => ({
    contestants: SUBCOMMANDS.map((name) => ({
      name,
      run: async () => {
        const { bytes, seconds } = await runBaseline(lab, name, `bytes=${lab.memoryBytes}`);
        return { figures: { gigabytesPerSecond: bytes / seconds / 1e9, seconds } };
      },
    })),
  }),
};
