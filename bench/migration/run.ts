import type {
  CaseResult,
  Contestant,
  ContestantResult,
  MigrationCase,
  Run,
  Spread,
} from "./case.ts";
import type { Lab } from "./lab.ts";

/**
 * Runs a case: every contestant once unmeasured, then `lab.repeats` rounds in which they take
 * turns, each round starting with another one; or, of a case of one round, just that.
 *
 * @throws Error as soon as one run's result is not right.
 */
export async function runCase(migrationCase: MigrationCase, lab: Lab): Promise<CaseResult> {
  const { name, about, columns, better, baselines, rounds, conclude } = migrationCase;
  const { contestants, skipped = [], dispose } = await migrationCase.prepare(lab);
  const runs = new Map<Contestant, Run[]>(contestants.map((contestant) => [contestant, []]));
  try {
    const [first, last] = rounds === "one" ? [1, 1] : [0, lab.repeats];
    for (let round = first; round <= last; round++) {
      for (const contestant of rotated(contestants, round)) {
        lab.note(`${name}: ${contestant.name}, ${round === 0 ? "warm-up" : `run ${round}`}`);
        const run = await contestant.run();
        if (round > 0) {
          runs.get(contestant)!.push(run);
        }
      }
    }
  } finally {
    await dispose?.();
  }
  const results = contestants.map((contestant) => summarise(contestant, runs.get(contestant)!));
  const conclusions = results.length === 0 ? [] : (conclude?.(results) ?? []);
  const told = { about, columns, better, baselines };
  return { case: name, ...told, contestants: results, skipped, conclusions };
}

/** Least, median and most of at least one number; of an even count the mean of the middle two. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
  return { median, least: sorted[0]!, most: sorted.at(-1)! };
}

function rotated<Item>(items: readonly Item[], by: number): readonly Item[] {
  const first = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

function summarise({ name }: Contestant, runs: readonly Run[]): ContestantResult {
  const figures: Record<string, Spread> = {};
  for (const key of Object.keys(runs[0]?.figures ?? {})) {
    figures[key] = spreadOf(runs.map((run) => run.figures[key]!));
  }
  const remarks: Record<string, number> = {};
  for (const { remark } of runs) {
    if (remark !== undefined) {
      remarks[remark] = (remarks[remark] ?? 0) + 1;
    }
  }
  return { name, runs: runs.length, figures, remarks };
}
