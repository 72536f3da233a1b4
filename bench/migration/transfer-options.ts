import type { Contestant, MigrationCase } from "./case.ts";
import { cpuSeconds, migrate, withGuest } from "./guest.ts";
import type { Lab } from "./lab.ts";

const DEFAULTS = "nothing said";

/** Options of `xenferry migrate` that trade one thing for another. */
const VARIANTS: readonly (readonly string[])[] = [
  ["--channels", "2"],
  ["--channels", "4"],
  ["--compress", "zstd"],
  ["--skip-unchanged"],
];

/** What each option does to time, octets, downtime and CPU time. */
export const transferOptionsCase: MigrationCase = {
  name: "migration/options",
  about: "a guest full of text that stores 50 MB/s to a hot set of 10 %, over loopback TCP",
  columns: [
    { key: "totalSeconds", head: "total s", digits: 2 },
    { key: "gibibytes", head: "GiB sent", digits: 3 },
    { key: "downtimeMs", head: "downtime ms", digits: 1 },
    { key: "sourceCpu", head: "source CPU s", digits: 2 },
    { key: "targetCpu", head: "target CPU s", digits: 2 },
  ],
  better: "less",
  baselines: [DEFAULTS],
  prepare: async (lab) => ({
    contestants: [
      contestant(lab, []),
      ...VARIANTS.filter(([option]) => lab.knows(option!)).map((options) =>
        contestant(lab, options),
      ),
    ],
    skipped: VARIANTS.filter(([option]) => !lab.knows(option!)).map(
      (options) => `${options.join(" ")}: 'xenferry migrate' has no such option`,
    ),
  }),
};

function contestant(lab: Lab, options: readonly string[]): Contestant {
  const description = `process:memory=${lab.memoryBytes},dirty=50MB,hot=10%,fill=text`;
  return {
    name: options.length === 0 ? DEFAULTS : options.join(" "),
    run: async () => {
      const { profile, source, target } = await withGuest(lab, description, (name) =>
        migrate(lab, name, { via: "tcp", options }),
      );
      return {
        figures: {
          totalSeconds: profile.totalMs / 1000,
          gibibytes: profile.totalBytes / 2 ** 30,
          downtimeMs: profile.downtime!.totalMs,
          sourceCpu: cpuSeconds(source),
          targetCpu: cpuSeconds(target),
        },
      };
    },
  };
}
