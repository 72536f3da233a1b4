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

/** How many times the longest window is it that a bend can tell of. */
const BEND_REACH = 6;

/** How far what is seen differs from what was to be expected, as a share: at least, and of 1 ms. */
const NOISE_SHARE = 0.02;
const NOISE_SHARE_MS = 5;

/** Windows that are so many times as long as each other are alike. */
const ALIKE = 1.6;

/** Points that are further off than so many times the noise count for less and less. */
const OUTLIER = 2;
const ROBUST_ROUNDS = 3;

const SWEEPS = 1500;

/** A sweep that changes no set by more than this share of all pages is the last. */
const SETTLED_SHARE = 1e-6;

/**
 * Fits a curve to what was seen: a sum of sets of pages, each written at random,
 * n·(1 - exp(-t/T)), or one after the other, n·min(t/T, 1), with n found by least squares (each
 * error by the noise of windows of its length) and never negative. So the curve starts at 0, never
 * falls, bends only one way, and reaches a limit (the writable working set), as every mixture of
 * such writing does.
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
  const pages = solveRobustly(seen, shapes, most);
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
    ...periods(longest, longest * BEND_REACH).map(atRandom),
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

/** Pages of each shape, with little heed to points that do not fit to the others. */
function solveRobustly(
  points: readonly DirtyPoint[],
  shapes: readonly Shape[],
  most: number,
): readonly number[] {
  const columns = shapes.map((shape) => points.map(({ windowMs }) => shape(windowMs)));
  const noise = noiseOf(points);
  let weights = noise.map((value) => 1 / value);
  let pages: readonly number[] = shapes.map(() => 0);
  for (let round = 0; round < ROBUST_ROUNDS; round++) {
    pages = solve(points, columns, { weights, most, start: pages });
    weights = points.map(({ dirtyPages }, row) => {
      const fitted = columns.reduce((sum, column, index) => sum + column[row]! * pages[index]!, 0);
      const off = Math.abs(dirtyPages - fitted) / noise[row]!;
      return Math.sqrt(Math.min(1, OUTLIER / Math.max(off, OUTLIER))) / noise[row]!;
    });
  }
  return pages;
}

/** How far off a point may be (pages): a share of what windows of that length see. */
function noiseOf(points: readonly DirtyPoint[]): readonly number[] {
  return points.map(({ windowMs }) => {
    const alike = points
      .filter((it) => it.windowMs < windowMs * ALIKE && it.windowMs > windowMs / ALIKE)
      .map((it) => (it.dirtyPages * windowMs) / it.windowMs)
      .sort((one, other) => one - other);
    const usual = alike[Math.floor(alike.length / 2)]!;
    return Math.max(1, usual * (NOISE_SHARE + NOISE_SHARE_MS / windowMs));
  });
}

/** What a round of least squares starts from. */
interface Round {
  readonly weights: readonly number[];
  readonly most: number;
  readonly start: readonly number[];
}

/** Non-negative least squares, one shape at a time. */
function solve(
  points: readonly DirtyPoint[],
  shapes: readonly (readonly number[])[],
  { weights, most, start }: Round,
): readonly number[] {
  const columns = shapes.map((shape) => shape.map((value, row) => value * weights[row]!));
  const products = columns.map((one) => Float64Array.from(columns, (other) => dot(one, other)));
  const target = points.map(({ dirtyPages }, row) => dirtyPages * weights[row]!);
  const pages = Float64Array.from(start);
  // What each shape could still take of what is not explained.
  const pull = Float64Array.from(
    columns,
    (column, index) => dot(column, target) - dot(products[index]!, pages),
  );
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let moved = 0;
    for (const [index, product] of products.entries()) {
      const next = Math.max(0, pages[index]! + pull[index]! / product[index]!);
      const change = next - pages[index]!;
      if (change !== 0) {
        pages[index] = next;
        for (let other = 0; other < pull.length; other++) {
          pull[other]! -= product[other]! * change;
        }
        moved = Math.max(moved, Math.abs(change));
      }
    }
    if (moved < most * SETTLED_SHARE) {
      break;
    }
  }
  return [...pages];
}

function dot(one: ArrayLike<number>, other: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < one.length; index++) {
    sum += one[index]! * other[index]!;
  }
  return sum;
}
