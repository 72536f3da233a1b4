import { type Random, seededRandom } from "./random.ts";

/** What a fuzz run takes from the environment: SEED and ITERATIONS. */
export interface FuzzSettings {
  readonly seed: string;
  readonly iterations: number;
}

/**
 * Settings of a fuzz run; prints the seed first, so that what a run finds can be found again.
 *
 * @param name the run's own name and, without SEED, its seed: plain `npm test` is repeatable.
 * @param iterationsDefault how many cases without ITERATIONS.
 */
export function fuzzSettings(name: string, iterationsDefault: number): FuzzSettings {
  const { SEED, ITERATIONS } = process.env;
  const seed = SEED ?? name;
  const iterations = ITERATIONS === undefined ? iterationsDefault : Number(ITERATIONS);
  process.stdout.write(`fuzz ${name}: SEED='${seed}' ITERATIONS=${iterations}\n`);
  return { seed, iterations };
}

/** The generator of one case, so that a case can be run again without those before it. */
export function caseRandom({ seed }: FuzzSettings, iteration: number): Random {
  return seededRandom(`${seed} ${iteration}`);
}
