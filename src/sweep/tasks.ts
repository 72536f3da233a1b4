import type { SweepCell, SweepPlan, SweepRun } from "../report/sweep-result.ts";

/** One migration that a sweep has to make. */
export interface SweepTask {
  readonly cell: SweepCell;
  /** From 1 on; 0 and less warm up. */
  readonly round: number;
}

/**
 * The migrations of a plan that `done` has not, in the order in which they are made: a round of all
 * cells after the other, each beginning with another cell, so that what changes over time, and what
 * one leaves to the next, meets all cells alike.
 */
export function tasksLeft(plan: SweepPlan, done: readonly SweepRun[]): readonly SweepTask[] {
  const made = new Set(done.map(({ cell, round }) => keyOf(cell, round)));
  const rounds = Array.from({ length: plan.warmUp + plan.rounds }, (_, index) => index);
  return rounds.flatMap((index) => {
    const round = index - plan.warmUp + 1;
    return rotated(plan.cells, index).flatMap((cell) =>
      made.has(keyOf(cell.id, round)) ? [] : [{ cell, round }],
    );
  });
}

function keyOf(cell: string, round: number): string {
  return `${round} ${cell}`;
}

function rotated<Item>(items: readonly Item[], by: number): readonly Item[] {
  const first = by % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}
