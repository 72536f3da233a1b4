import { seededRandom } from "../../support/splitmix32.ts";
import { mutate } from "./mutate.ts";
import type { FuzzTarget } from "./targets.ts";

/** Inputs of a target, by number: each depends on seed and number alone. */
export interface FuzzRange {
  readonly seed: number;
  readonly first: number;
  readonly count: number;
}

/** An input for each thing that came of one: the shortest. */
export type Corpus = Map<string, Uint8Array>;

/**
 * Has a target read damaged inputs.
 *
 * @param corpus what came of inputs is added.
 * @throws Error naming the input that must not have done what it did.
 */
export async function fuzzRange(
  { name, seeds, read }: FuzzTarget,
  { seed, first, count }: FuzzRange,
  corpus: Corpus,
): Promise<void> {
  for (let number = first; number < first + count; number++) {
    const random = seededRandom(seed + number);
    const [sound, other] = [random.below(seeds.length), random.below(seeds.length)];
    const bytes = mutate(seeds[sound]!, seeds[other]!, random);
    try {
      const found = await read(bytes, random);
      const known = corpus.get(found);
      if (known === undefined || known.length > bytes.length) {
        corpus.set(found, bytes);
      }
    } catch (error) {
      throw new Error(`${name}: seed ${seed}, input ${number}: ${String(error)}`, { cause: error });
    }
  }
}
