/** The middle of some numbers, and an interval that has the true median in it. */
export interface MedianInterval {
  readonly count: number;
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** Order statistics. */
  readonly low: number;
  readonly high: number;
  /** How sure it is that the true median lies from `low` to `high`, 0 to 1. */
  readonly confidence: number;
}

const CONFIDENCE_WANTED = 0.95;

/** Median of at least one number; of an even count the mean of the middle two. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
}

/**
 * Median, spread and confidence interval of at least one number.
 *
 * The interval goes from the k-th least to the k-th most, for the greatest k that is at least 95 %
 * sure; with fewer than six numbers none is, and it goes from the least to the most and says how
 * sure that is. It supposes nothing of the distribution.
 *
 * @source the sign test's interval: with probability 1 − 2·P(Binomial(n, ½) < k) the median lies
 *   between the k-th order statistics from both ends
 */
export function medianInterval(values: readonly number[]): MedianInterval {
  const sorted = [...values].sort((one, other) => one - other);
  const count = sorted.length;
  let taken = 1;
  while ((taken + 1) * 2 <= count && confidenceOf(count, taken + 1) >= CONFIDENCE_WANTED) {
    taken += 1;
  }
  return {
    count,
    median: medianOf(sorted),
    least: sorted[0]!,
    most: sorted.at(-1)!,
    low: sorted[taken - 1]!,
    high: sorted[count - taken]!,
    confidence: confidenceOf(count, taken),
  };
}

function confidenceOf(count: number, taken: number): number {
  let below = 0;
  let probability = 0.5 ** count;
  for (let successes = 0; successes < taken; successes++) {
    below += probability;
    probability *= (count - successes) / (successes + 1);
  }
  return Math.max(0, 1 - 2 * below);
}

/** Whether one of two samples tends to greater values. */
export interface RankTest {
  /** Two-sided: how probable so great a difference is if there is none, 0 to 1. */
  readonly pValue: number;
  /** Of all pairs, those in which the second is greater, ties by half, 0 to 1. */
  readonly secondGreaterShare: number;
}

/** Up to so many numbers in both together the distribution is counted out. */
const EXACT_COUNT_MAX = 40;

/**
 * The rank test of Mann and Whitney on two samples of at least one number each: exact for up to 40
 * numbers, ties included; above that by the normal distribution, corrected for ties.
 *
 * @source Mann, Whitney, Annals of Mathematical Statistics 18, 1947; the exact distribution with
 *   ties is that of rank sums over all ways to choose the first sample
 */
export function rankTest(first: readonly number[], second: readonly number[]): RankTest {
  const ranks = doubledRanks([...first, ...second]);
  const sum = ranks.slice(0, first.length).reduce((total, rank) => total + rank, 0);
  const pairs = first.length * second.length;
  const greater = (sum - first.length * (first.length + 1)) / 2;
  const secondGreaterShare = 1 - greater / pairs;
  const pValue =
    ranks.length <= EXACT_COUNT_MAX
      ? exactPValue(ranks, first.length, sum)
      : normalPValue(ranks, first.length, sum);
  return { pValue, secondGreaterShare };
}

/** Twice the rank of each number, so that ranks of ties, which are means, are whole. */
function doubledRanks(values: readonly number[]): readonly number[] {
  const sorted = [...values].sort((one, other) => one - other);
  const doubled = new Map<number, number>();
  for (let start = 0; start < sorted.length; ) {
    let end = start;
    while (sorted[end + 1] === sorted[start]) {
      end += 1;
    }
    doubled.set(sorted[start]!, start + 1 + (end + 1));
    start = end + 1;
  }
  return values.map((value) => doubled.get(value)!);
}

/** Counts, for each sum, the ways to choose so many of the ranks that have it. */
function exactPValue(ranks: readonly number[], chosen: number, observed: number): number {
  const total = ranks.reduce((sum, rank) => sum + rank, 0);
  const ways = Array.from({ length: chosen + 1 }, () => new Float64Array(total + 1));
  ways[0]![0] = 1;
  for (const rank of ranks) {
    for (let taken = chosen; taken > 0; taken--) {
      const [less, more] = [ways[taken - 1]!, ways[taken]!];
      for (let sum = total; sum >= rank; sum--) {
        more[sum]! += less[sum - rank]!;
      }
    }
  }
  const mean = (total * chosen) / ranks.length;
  const distance = Math.abs(observed - mean);
  let all = 0;
  let asFar = 0;
  for (const [sum, count] of ways[chosen]!.entries()) {
    all += count;
    asFar += Math.abs(sum - mean) >= distance - 1e-9 ? count : 0;
  }
  return Math.min(1, asFar / all);
}

function normalPValue(ranks: readonly number[], chosen: number, observed: number): number {
  const count = ranks.length;
  const mean = (ranks.reduce((sum, rank) => sum + rank, 0) * chosen) / count;
  const squares = ranks.reduce((sum, rank) => sum + (rank - (count + 1)) ** 2, 0);
  const variance = (squares * chosen * (count - chosen)) / (count * (count - 1));
  if (variance === 0) {
    return 1;
  }
  const distance = Math.max(0, Math.abs(observed - mean) - 1);
  return Math.min(1, complementaryError(distance / Math.sqrt(2 * variance)));
}

/** erfc(x) for x ≥ 0. @source Abramowitz and Stegun, 7.1.26: off by at most 1.5e-7 */
function complementaryError(x: number): number {
  const t = 1 / (1 + 0.3275911 * x);
  const polynomial =
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return polynomial * Math.exp(-x * x);
}

/**
 * Raises p-values for how many were looked at, so that of the differences called real at most the
 * share that a value is compared with is none.
 *
 * @returns in the order of `pValues`.
 * @source Benjamini, Hochberg, Journal of the Royal Statistical Society B 57, 1995
 */
export function adjustedPValues(pValues: readonly number[]): readonly number[] {
  const order = pValues.map((_, index) => index).sort((a, b) => pValues[b]! - pValues[a]!);
  const adjusted = new Array<number>(pValues.length);
  let least = 1;
  for (const [position, index] of order.entries()) {
    const rank = pValues.length - position;
    least = Math.min(least, (pValues[index]! * pValues.length) / rank);
    adjusted[index] = least;
  }
  return adjusted;
}
