/** Different pages that a guest writes in so many milliseconds. */
export type DirtyCurve = (windowMs: number) => number;

/** What was seen once: a window and the different pages that were written in it. */
export interface DirtyPoint {
  readonly windowMs: number;
  readonly dirtyPages: number;
}

/** How a set of pages comes to be dirty: the share of it that is after so long. */
type Shape = (windowMs: number) => number;

/** Periods to an order of magnitude. */
const PERIODS_PER_DECADE = 6;

/** How many times the longest window a set may take that was not seen to the end. */
const REACH = 30;

const SWEEPS = 3000;

/** A sweep that changes no set by more than this share of all pages is the last. */
const SETTLED_SHARE = 1e-7;

/**
 * Fits a curve to what was seen: a sum of sets of pages, each written at random, n·(1 - exp(-t/T)),
 * or one after the other, n·min(t/T, 1), with n found by least squares of the relative errors and
 * never negative. So the curve starts at 0, never falls, bends only one way, and reaches a limit
 * (the writable working set), as every mixture of such writing does.
 *
 * How far sets go on that rose to the end of the longest window cannot be known: each length up to
 * thirty times that window counts as likely as another, by its order of magnitude.
 *
 * @param points windows above 0, any number of each; none is a guest that writes nothing.
 * @param pagesMax pages that the guest has.
 */
export function fitDirtyCurve(points: readonly DirtyPoint[], pagesMax: number): DirtyCurve {
  const seen = points.filter(({ windowMs }) => windowMs > 0);
  const most = Math.max(0, ...seen.map(({ dirtyPages }) => dirtyPages));
  if (most === 0) {
    return () => 0;
  }
  const shapes = shapesFor(seen.map(({ windowMs }) => windowMs));
  const pages = solve(seen, shapes, most);
  const sets = shapes.map((shape, index) => ({ shape, pages: pages[index]! }));
  const present = sets.filter((set) => set.pages > 0);
  return (windowMs) =>
    Math.min(
      pagesMax,
      present.reduce((sum, set) => sum + set.pages * set.shape(windowMs), 0),
    );
}

const atRandom =
  (periodMs: number): Shape =>
  (windowMs) =>
    -Math.expm1(-windowMs / periodMs);

const inTurn =
  (periodMs: number): Shape =>
  (windowMs) =>
    Math.min(1, windowMs / periodMs);

/** Shapes that a curve over such windows may consist of; those that go on beyond them first. */
function shapesFor(windowsMs: readonly number[]): readonly Shape[] {
  const longest = Math.max(...windowsMs);
  const within = periods(Math.min(...windowsMs) / 10, longest);
  const beyond = periods(longest, longest * REACH);
  return [
    mixture(beyond.map(inTurn), longest),
    mixture(beyond.map(atRandom), longest),
    ...within.flatMap((periodMs) => [atRandom(periodMs), inTurn(periodMs)]),
  ];
}

/** From `least` on, short of `most`, evenly by their order of magnitude. */
function periods(least: number, most: number): readonly number[] {
  const count = Math.ceil(Math.log10(most / least) * PERIODS_PER_DECADE);
  return Array.from({ length: count }, (_, index) => least * (most / least) ** (index / count));
}

/** All of the shapes, each with as much of what is seen until `untilMs`. */
function mixture(shapes: readonly Shape[], untilMs: number): Shape {
  const parts = shapes.map((shape) => ({ shape, seen: shape(untilMs) }));
  return (windowMs) =>
    parts.reduce((sum, { shape, seen }) => sum + shape(windowMs) / seen, 0) / parts.length;
}

/** Pages of each shape: non-negative least squares, one shape at a time. */
function solve(
  points: readonly DirtyPoint[],
  shapes: readonly Shape[],
  most: number,
): readonly number[] {
  // Errors count by their share of what was seen, so that short windows are not lost in long ones.
  const weights = points.map(({ dirtyPages }) => 1 / Math.max(dirtyPages, most * 1e-3, 1));
  const columns = shapes.map((shape) =>
    points.map(({ windowMs }, row) => shape(windowMs) * weights[row]!),
  );
  const squares = columns.map((column) => column.reduce((sum, value) => sum + value * value, 0));
  const rest = points.map(({ dirtyPages }, row) => dirtyPages * weights[row]!);
  const pages = shapes.map(() => 0);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let moved = 0;
    for (const [index, column] of columns.entries()) {
      const old = pages[index]!;
      const pull = column.reduce((sum, value, row) => sum + value * rest[row]!, 0);
      const next = Math.max(0, old + pull / squares[index]!);
      for (const [row, value] of column.entries()) {
        rest[row]! -= value * (next - old);
      }
      pages[index] = next;
      moved = Math.max(moved, Math.abs(next - old));
    }
    if (moved < most * SETTLED_SHARE) {
      break;
    }
  }
  return pages;
}
