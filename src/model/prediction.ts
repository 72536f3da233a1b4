import { type DirtyPoint, fitDirtyCurve } from "./dirty-curve.ts";
import type { DirtyProcess } from "./dirty-process.ts";
import type { Link } from "./link.ts";
import { type MigrationCosts, modelledIterations } from "./modelled.ts";
import type { PrecopyPolicy } from "./policy.ts";
import { Random } from "./random.ts";
import { type SimulatedMigration, type SimulationOptions, simulate } from "./simulate.ts";

/** What is known of a guest, a link and a machine before a migration. */
export interface PredictionInput {
  /** Windows and what was dirty at their ends, of several that began anew. */
  readonly points: readonly DirtyPoint[];
  /** Frames of the guest. */
  readonly pfnCount: number;
  readonly dataPages: number;
  readonly emptyPages: number;
  readonly link: Link;
  readonly costs: MigrationCosts;
  /** Standard deviation of the hand-over, as a share of it. */
  readonly handoverSpread: number;
  /** Whether its final copy counts as a converged one: what the user asked for (ms). */
  readonly downtimeTargetMs: number;
}

/** A figure, and between what it lies in eight of ten cases. */
export interface Interval {
  readonly expected: number;
  readonly low: number;
  readonly high: number;
}

/** What a migration will come to. */
export interface Prediction {
  readonly policy: string;
  readonly totalMs: Interval;
  readonly downtimeMs: Interval;
  readonly bytes: Interval;
  readonly iterations: Interval;
  /** Share of cases in which pre-copy gets to the downtime target, and whether it is most. */
  readonly convergedShare: number;
  readonly converges: boolean;
  /** Why it stops, in most cases. */
  readonly stopReason: string;
  /** What is to be expected of each iteration, where nothing varies. */
  readonly typical: SimulatedMigration;
}

/** Cases that are played through; the same ones each time. */
const CASES = 61;
const SEED = 6n;

/** Least that a dirty rate varies from one iteration to the next, as a share. */
const VARIATION_MIN = 0.01;

/** How uncertain the curve is beyond what was seen: an exponent's standard deviation. */
const BEYOND_SPREAD = 0.12;

/** Variation of the link's rate over a migration. */
const LINK_SPREAD = 0.02;

/**
 * Predicts a migration: plays the loop through many times, with what was measured varied as much as
 * it varied while it was measured, and tells what most cases come to. Deterministic.
 */
export function predictMigration(
  input: PredictionInput,
  policy: PrecopyPolicy,
  options: SimulationOptions = {},
): Prediction {
  const curve = fitDirtyCurve(input.points, input.pfnCount);
  const spread = spreadOf(input.points, curve);
  const longestMs = Math.max(0, ...input.points.map(({ windowMs }) => windowMs));
  const run = (dirty: DirtyProcess, link: Link, costs: MigrationCosts) =>
    simulate(modelledIterations({ ...input, dirty, link, costs }), policy, options);
  const plain = {
    dirtyPages: ({ durationMs, pace }) => curve(durationMs * pace),
  } satisfies DirtyProcess;
  const random = new Random(SEED);
  const cases = Array.from({ length: CASES }, () => {
    const level = Math.exp(random.normal() * spread.level);
    const beyond = random.normal() * BEYOND_SPREAD;
    const dirty: DirtyProcess = {
      dirtyPages: ({ durationMs, pace }) => {
        const windowMs = durationMs * pace;
        const tail = windowMs > longestMs && longestMs > 0 ? (windowMs / longestMs) ** beyond : 1;
        const noise = Math.exp(random.normal() * spread.window(windowMs));
        return Math.min(input.pfnCount, curve(windowMs) * level * tail * noise);
      },
    };
    const bytesPerSecond = input.link.bytesPerSecond * Math.exp(random.normal() * LINK_SPREAD);
    const handoverMs = input.costs.handoverMs * Math.exp(random.normal() * input.handoverSpread);
    return run(dirty, { ...input.link, bytesPerSecond }, { ...input.costs, handoverMs });
  });
  const converged = cases.filter((one) => hasConverged(one, input)).length / CASES;
  return {
    policy: policy.name,
    totalMs: intervalOf(cases.map(({ totalMs }) => totalMs)),
    downtimeMs: intervalOf(cases.map(({ downtimeMs }) => downtimeMs)),
    bytes: intervalOf(cases.map(({ totalBytes }) => totalBytes)),
    iterations: intervalOf(cases.map(({ iterations }) => iterations.length)),
    convergedShare: converged,
    converges: converged > 0.5,
    stopReason: mostFrequent(cases.map(({ stopReason }) => stopReason.split(";")[0]!)),
    typical: run(plain, input.link, input.costs),
  };
}

/** Whether pre-copy came down to what the user wanted. */
function hasConverged(
  { action, downtimeMs }: SimulatedMigration,
  { downtimeTargetMs }: PredictionInput,
): boolean {
  return action === "stop-and-copy" && downtimeMs <= downtimeTargetMs;
}

/** How much what was seen differs from the curve. */
interface Spread {
  /** From one measurement to another, all windows alike. */
  readonly level: number;
  /** From one window of that length to another. */
  readonly window: (windowMs: number) => number;
}

function spreadOf(points: readonly DirtyPoint[], curve: (windowMs: number) => number): Spread {
  const errors = points
    .filter(({ windowMs }) => curve(windowMs) > 0)
    .map(({ windowMs, dirtyPages }) => ({
      windowMs,
      error: Math.log(Math.max(dirtyPages, 0.5) / curve(windowMs)),
    }));
  const all = Math.sqrt(mean(errors.map(({ error }) => error ** 2)));
  const level = Math.max(VARIATION_MIN, all / Math.sqrt(Math.max(1, errors.length)));
  const window = (windowMs: number) => {
    const near = errors.filter((it) => it.windowMs > windowMs / 3 && it.windowMs < windowMs * 3);
    const own = near.length < 3 ? all : Math.sqrt(mean(near.map(({ error }) => error ** 2)));
    return Math.max(VARIATION_MIN, own);
  };
  return { level, window };
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function intervalOf(values: readonly number[]): Interval {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.round((sorted.length - 1) * share)]!;
  return { expected: at(0.5), low: at(0.1), high: at(0.9) };
}

function mostFrequent(texts: readonly string[]): string {
  const kinds = texts.map((text) => text.replace(/[\d.]+/g, "#"));
  const count = (kind: string) => kinds.filter((other) => other === kind).length;
  const most = kinds.reduce((best, kind) => (count(kind) > count(best) ? kind : best), kinds[0]!);
  return texts[kinds.indexOf(most)]!;
}
