import { adjustedPValues, medianOf, rankTest } from "../report/statistics.ts";
import type { Sweep, SweepFigures } from "../report/sweep-result.ts";

/** What a change of a figure is: real, nothing but noise, or not to be told from so few runs. */
export type ChangeVerdict = "less" | "more" | "noise" | "too few runs";

/** A figure of a cell in two sweeps. */
export interface FigureChange {
  readonly cell: string;
  readonly figure: keyof SweepFigures;
  readonly before: number;
  readonly after: number;
  readonly runsBefore: number;
  readonly runsAfter: number;
  /** Raised for how many figures were compared. */
  readonly pValue: number;
  readonly verdict: ChangeVerdict;
}

/** What changed between two sweeps. */
export interface SweepComparison {
  readonly changes: readonly FigureChange[];
  /** What is not the same besides, such as the machine. */
  readonly differences: readonly string[];
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
  /** Bad runs of each cell that has any. */
  readonly bad: readonly {
    readonly cell: string;
    readonly before: number;
    readonly after: number;
  }[];
}

const COMPARED = ["downtimeMs", "totalMs"] as const;
const SIGNIFICANCE = 0.05;

/**
 * Compares the cells that two sweeps both have: medians, and by a rank test whether the difference
 * is more than noise. P-values are raised for how many there are (Benjamini and Hochberg), so that
 * of the changes that are called real not more than a twentieth is none.
 */
export function compareSweeps(before: Sweep, after: Sweep): SweepComparison {
  const [old, now] = [figuresByCell(before), figuresByCell(after)];
  const pairs = [...now].flatMap(([cell, figures]) => {
    const earlier = old.get(cell) ?? [];
    return earlier.length === 0 || figures.length === 0
      ? []
      : COMPARED.map((figure) => ({
          cell,
          figure,
          first: earlier.map((one) => one[figure]),
          second: figures.map((one) => one[figure]),
        }));
  });
  const pValues = adjustedPValues(pairs.map(({ first, second }) => rankTest(first, second).pValue));
  return {
    changes: pairs.map(({ cell, figure, first, second }, index) => ({
      cell,
      figure,
      before: medianOf(first),
      after: medianOf(second),
      runsBefore: first.length,
      runsAfter: second.length,
      pValue: pValues[index]!,
      verdict: verdictOf(first, second, pValues[index]!),
    })),
    differences: differencesOf(before, after),
    onlyBefore: [...old.keys()].filter((cell) => !now.has(cell)),
    onlyAfter: [...now.keys()].filter((cell) => !old.has(cell)),
    bad: badRuns(before, after),
  };
}

/** Figures of the runs that count, by cell. */
function figuresByCell({ plan, runs }: Sweep): ReadonlyMap<string, readonly SweepFigures[]> {
  return new Map(
    plan.cells.map(({ id }) => [
      id,
      runs.flatMap(({ cell, round, outcome, figures }) =>
        cell === id && round > 0 && outcome === "proven" && figures !== undefined ? [figures] : [],
      ),
    ]),
  );
}

function verdictOf(
  first: readonly number[],
  second: readonly number[],
  pValue: number,
): ChangeVerdict {
  if (pValue < SIGNIFICANCE) {
    return rankTest(first, second).secondGreaterShare > 0.5 ? "more" : "less";
  }
  return leastPValue(first.length, second.length) >= SIGNIFICANCE ? "too few runs" : "noise";
}

/** That of two samples of which one is all above the other. */
function leastPValue(firstCount: number, secondCount: number): number {
  const apart = [
    Array.from({ length: firstCount }, (_, index) => index),
    Array.from({ length: secondCount }, (_, index) => firstCount + index),
  ] as const;
  return rankTest(...apart).pValue;
}

function differencesOf(before: Sweep, after: Sweep): readonly string[] {
  const [old, now] = [before.conditions, after.conditions].map(({ machine, xenferry }) => ({
    processor: `${machine.cpuCount} × ${machine.cpu}`,
    memory: machine.memoryBytes,
    kernel: machine.kernel,
    Node: machine.node,
    xenferry,
  }));
  return Object.entries(old!).flatMap(([name, value]) => {
    const other = now![name as keyof typeof now];
    return other === value ? [] : [`${name}: ${value} then, ${other} now`];
  });
}

function badRuns(before: Sweep, after: Sweep): SweepComparison["bad"] {
  const countOf = ({ runs }: Sweep, id: string) =>
    runs.filter(({ cell, outcome }) => cell === id && outcome === "bad").length;
  const ids = new Set([...before.plan.cells, ...after.plan.cells].map(({ id }) => id));
  return [...ids]
    .map((cell) => ({ cell, before: countOf(before, cell), after: countOf(after, cell) }))
    .filter((entry) => entry.before + entry.after > 0);
}
