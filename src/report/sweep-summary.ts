import { type MedianInterval, medianInterval } from "./statistics.ts";
import type { Sweep, SweepCell, SweepFigures, SweepRun } from "./sweep-result.ts";

/** What the migrations of one cell came to. */
export interface CellSummary {
  readonly cell: SweepCell;
  /** Of runs that count and whose guest was proven; absent where there is none. */
  readonly figures?: Readonly<Record<keyof SweepFigures, MedianInterval>> | undefined;
  readonly runs: number;
  readonly bad: number;
}

/** A run that is not like the others, and why. */
export interface NamedRun {
  readonly cell: string;
  readonly round: number;
  readonly why: string;
}

/** Share of the processors taken by others above which a run is called disturbed. */
const STOLEN_SHARE_MAX = 0.1;

/** Medians and intervals of each cell, in the order of the plan; warm-up left out. */
export function summariseSweep({ plan, runs }: Sweep): readonly CellSummary[] {
  return plan.cells.map((cell) => {
    const own = runs.filter(({ cell: id, round }) => id === cell.id && round > 0);
    const figures = own.flatMap(({ outcome, figures: one }) =>
      outcome === "proven" && one !== undefined ? [one] : [],
    );
    return {
      cell,
      figures: figures.length === 0 ? undefined : intervalsOf(figures),
      runs: figures.length,
      bad: own.filter(({ outcome }) => outcome === "bad").length,
    };
  });
}

/** Runs that are bad or that others disturbed, warm-up included, in their order. */
export function namedRuns({ runs }: Sweep): readonly NamedRun[] {
  return runs.flatMap((run) => {
    const why = whyNamed(run);
    return why === undefined ? [] : [{ cell: run.cell, round: run.round, why }];
  });
}

/** Between two parts of a cell's id. */
const ID_GAP = ", ";

/** What sets cells apart, without what all of them have in common; by their ids. */
export function cellNames(ids: readonly string[]): ReadonlyMap<string, string> {
  const parts = ids.map((id) => id.split(ID_GAP));
  const [first = []] = parts;
  const isAlike = parts.every(({ length }) => length === first.length);
  const telling = first.map((part, index) => parts.some((other) => other[index] !== part));
  return new Map(
    ids.map((id, place) => {
      const told = parts[place]!.filter((_, index) => telling[index]);
      return [id, isAlike && told.length > 0 ? told.join(ID_GAP) : id];
    }),
  );
}

/** Migrations that a sweep still has to make. */
export function runsLeft({ plan, runs }: Sweep): number {
  return plan.cells.length * (plan.rounds + plan.warmUp) - runs.length;
}

function whyNamed({ outcome, code, reason, stolenShare = 0 }: SweepRun): string | undefined {
  if (outcome === "bad") {
    return [reason ?? "failed", code === undefined ? "" : `[${code}]`].join(" ").trim();
  }
  return stolenShare > STOLEN_SHARE_MAX
    ? `disturbed: other machines had ${(stolenShare * 100).toFixed(0)} % of the processors`
    : undefined;
}

function intervalsOf(
  figures: readonly SweepFigures[],
): Readonly<Record<keyof SweepFigures, MedianInterval>> {
  const names = Object.keys(figures[0]!) as (keyof SweepFigures)[];
  return Object.fromEntries(
    names.map((name) => [name, medianInterval(figures.map((one) => one[name]))]),
  ) as Record<keyof SweepFigures, MedianInterval>;
}
