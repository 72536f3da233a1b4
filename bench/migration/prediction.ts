import { readFileSync } from "node:fs";
import { type Profile, parseProfile } from "#dist/report/profile.js";
import type { ContestantResult, MigrationCase, Run } from "./case.ts";
import { proveGuest, withGuest } from "./guest.ts";
import type { Lab } from "./lab.ts";

/** Guests of this size, so that forty of them take minutes. */
const MEMORY = "256M";

/** How long each is looked at (s). */
const LOOK_S = "2";

const PATTERNS = ["uniform", "zipf", "sequential"] as const;

/** Rates of stores and shares of memory that they go to, from next to nothing to far too much. */
const WORKLOADS = [
  { dirty: "1MB", hot: "5%" },
  { dirty: "6MB", hot: "10%" },
  { dirty: "25MB", hot: "20%" },
  { dirty: "70MB", hot: "12%" },
  { dirty: "300MB", hot: "40%" },
] as const;

const LINKS = ["60MB", "120MB", "240MB"] as const;

/** What the errors are to stay below, and the verdicts above. */
const GOAL = { totalPercent: 10, downtimePercent: 25, verdictPercent: 95 };

/** Each migration is predicted, then made: rates, patterns and links that nothing was tuned on. */
export const predictionCase: MigrationCase = {
  name: "migration/prediction",
  about: `guests of ${MEMORY} that 'xenferry predict' looks at for ${LOOK_S} s, moved once each`,
  columns: [
    { key: "totalErrorPercent", head: "total error %", digits: 1 },
    { key: "predictedSeconds", head: "predicted s", digits: 2 },
    { key: "totalSeconds", head: "total s", digits: 2 },
    { key: "downtimeErrorPercent", head: "downtime error %", digits: 1 },
    { key: "predictedDowntimeMs", head: "predicted ms", digits: 1 },
    { key: "downtimeMs", head: "downtime ms", digits: 1 },
    { key: "predictedIterations", head: "predicted iterations", digits: 0 },
    { key: "iterations", head: "iterations", digits: 0 },
    { key: "costPercent", head: "looking cost %", digits: 1 },
  ],
  better: "less",
  baselines: [],
  rounds: "one",
  prepare: async (lab) => ({
    contestants: PATTERNS.flatMap((pattern) =>
      WORKLOADS.flatMap(({ dirty, hot }) =>
        LINKS.map((link) => ({
          name: `${pattern} ${dirty}/s on ${hot}, ${link}/s`,
          run: () => predictAndMigrate(lab, { pattern, dirty, hot, link }),
        })),
      ),
    ),
  }),
  conclude,
};

interface Setting {
  readonly pattern: string;
  readonly dirty: string;
  readonly hot: string;
  readonly link: string;
}

/** What of `xenferry predict --json` is looked at. */
interface Predicted {
  readonly samples: { readonly stores: { readonly before: number; readonly meanwhile: number } };
  readonly downtimeTargetMs: number;
  readonly predictions: readonly {
    readonly totalMs: { readonly expected: number };
    readonly downtimeMs: { readonly expected: number };
    readonly iterations: { readonly expected: number };
    readonly converges: boolean;
  }[];
}

async function predictAndMigrate(lab: Lab, setting: Setting): Promise<Run> {
  const { pattern, dirty, hot, link } = setting;
  const workload = `dirty=${dirty},hot=${hot},pattern=${pattern},fill=random`;
  return withGuest(lab, `process:memory=${MEMORY},${workload}`, async (name) => {
    const limit = ["--bandwidth-max", link, "--policy", "downtime"];
    const { stdout } = await lab.xenferry("predict", name, "localhost", "--time", LOOK_S, ...limit);
    const file = lab.path(".json");
    await lab.xenferry("migrate", name, "localhost", "--profile", file, ...limit);
    await proveGuest(lab, name);
    return compared(JSON.parse(stdout) as Predicted, parseProfile(readFileSync(file, "utf8")));
  });
}

function compared({ predictions, samples, downtimeTargetMs }: Predicted, profile: Profile): Run {
  const [prediction] = predictions;
  const { totalMs, downtimeMs, iterations, converges } = prediction!;
  const downtime = profile.downtime!.totalMs;
  const { before, meanwhile } = samples.stores;
  const isRight = converges === downtime <= downtimeTargetMs;
  return {
    figures: {
      totalErrorPercent: (totalMs.expected / profile.totalMs - 1) * 100,
      predictedSeconds: totalMs.expected / 1000,
      totalSeconds: profile.totalMs / 1000,
      downtimeErrorPercent: (downtimeMs.expected / downtime - 1) * 100,
      predictedDowntimeMs: downtimeMs.expected,
      downtimeMs: downtime,
      predictedIterations: iterations.expected,
      iterations: profile.iterations.filter(({ phase }) => phase === "precopy").length,
      costPercent: before > 0 ? (1 - meanwhile / before) * 100 : 0,
    },
    remark: `${verdict(converges)}, said ${isRight ? RIGHT : WRONG}`,
  };
}

const RIGHT = "rightly";
const WRONG = "wrongly";

const verdict = (converges: boolean) => (converges ? "converges" : "does not converge");

/** The errors' medians and the share of right verdicts, beside what they are to be. */
function conclude(results: readonly ContestantResult[]): readonly string[] {
  const medianOf = (key: string) => {
    const errors = results.map(({ figures }) => Math.abs(figures[key]!.median));
    return errors.sort((one, other) => one - other)[Math.floor(errors.length / 2)]!;
  };
  const right = results.filter(({ remarks }) =>
    Object.keys(remarks).every((remark) => remark.endsWith(RIGHT)),
  );
  const rightPercent = (right.length / results.length) * 100;
  return [
    `${results.length} migrations, median absolute error of`,
    `  total time ${medianOf("totalErrorPercent").toFixed(1)} % (goal: ${GOAL.totalPercent} %)`,
    `  downtime ${medianOf("downtimeErrorPercent").toFixed(1)} % (goal: ${GOAL.downtimePercent} %)`,
    `whether it converges was said rightly ${right.length} times: ` +
      `${rightPercent.toFixed(0)} % (goal: ${GOAL.verdictPercent} %)`,
  ];
}
