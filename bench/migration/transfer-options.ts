import type { Contestant, MigrationCase, PreparedCase } from "./case.ts";
import { cpuSeconds, migrate, withGuest } from "./guest.ts";
import type { Lab } from "./lab.ts";

const DEFAULTS = "nothing said";

/** Options of `xenferry migrate` that trade one thing for another. */
const VARIANTS: readonly (readonly string[])[] = [
  ["--channels", "2"],
  ["--channels", "4"],
  ["--compress", "none"],
  ["--compress", "zstd"],
  ["--compress", "auto"],
  ["--channels", "2", "--compress", "zstd"],
  ["--skip-unchanged"],
];

/** What a link of 1 Gbit/s carries, about. */
const SLOW_LINK = ["--bandwidth-max", "110M"];

const COLUMNS: MigrationCase["columns"] = [
  { key: "totalSeconds", head: "total s", digits: 2 },
  { key: "gibibytes", head: "GiB sent", digits: 3 },
  { key: "downtimeMs", head: "downtime ms", digits: 1 },
  { key: "sourceCpu", head: "source CPU s", digits: 2 },
  { key: "targetCpu", head: "target CPU s", digits: 2 },
];

/** What each option does to time, octets, downtime and CPU time, over a fast and a slow link. */
export const transferOptionsCases: readonly MigrationCase[] = [
  {
    name: "migration/options",
    about: "a guest full of text that stores 50 MB/s to a hot set of 10 %, over loopback TCP",
    columns: COLUMNS,
    better: "less",
    baselines: [DEFAULTS],
    prepare: (lab) => prepare(lab, { memoryBytes: lab.memoryBytes, link: [] }),
  },
  {
    name: "migration/options slow",
    about: `the same with a quarter of the memory and ${SLOW_LINK.join(" ")}`,
    columns: COLUMNS,
    better: "less",
    baselines: [DEFAULTS],
    prepare: (lab) => prepare(lab, { memoryBytes: lab.memoryBytes / 4, link: SLOW_LINK }),
  },
];

/** A guest's size, and the options that limit the link. */
interface Setting {
  readonly memoryBytes: number;
  readonly link: readonly string[];
}

async function prepare(lab: Lab, setting: Setting): Promise<PreparedCase> {
  const isKnown = (options: readonly string[]) =>
    options.filter((word) => word.startsWith("--")).every((option) => lab.knows(option));
  return {
    contestants: [
      contestant(lab, setting, []),
      ...VARIANTS.filter(isKnown).map((options) => contestant(lab, setting, options)),
    ],
    skipped: VARIANTS.filter((options) => !isKnown(options)).map(
      (options) => `${options.join(" ")}: 'xenferry migrate' has no such option`,
    ),
  };
}

function contestant(lab: Lab, setting: Setting, options: readonly string[]): Contestant {
  const description = `process:memory=${setting.memoryBytes},dirty=50MB,hot=10%,fill=text`;
  return {
    name: options.length === 0 ? DEFAULTS : options.join(" "),
    run: async () => {
      const { profile, source, target } = await withGuest(lab, description, (name) =>
        migrate(lab, name, { via: "tcp", options: [...setting.link, ...options] }),
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
