import { thinHeat } from "./hot-regions.ts";
import type { ReportRun } from "./report-run.ts";
import type { Sweep, SweepConditions } from "./sweep-result.ts";
import {
  type CellSummary,
  type NamedRun,
  namedRuns,
  runsLeft,
  summariseSweep,
} from "./sweep-summary.ts";

/** A sweep as the page shows it. */
export interface ReportSweep {
  readonly label: string;
  readonly conditions: SweepConditions;
  readonly rounds: number;
  readonly runsLeft: number;
  readonly cells: readonly CellSummary[];
  readonly named: readonly NamedRun[];
}

/** All that a report's page shows: plain JSON, embedded in it. */
export interface ReportData {
  readonly title: string;
  readonly madeAt: string;
  readonly xenferry: string;
  readonly runs: readonly ReportRun[];
  readonly sweeps: readonly ReportSweep[];
}

/** Cells of heat data that a page may have, all runs together. */
const HEAT_CELLS_MAX = 200_000;
const HEAT_CELLS_MIN = 2_000;
/** Events, samples and points of dirty curves that a page may have of all runs together. */
const POINTS_MAX = 30_000;
const POINTS_MIN = 200;

/** Puts together what a page shows, so that many runs do not make it large. */
export function reportData(
  parts: Omit<ReportData, "runs" | "sweeps"> & {
    readonly runs: readonly ReportRun[];
    readonly sweeps: readonly { readonly label: string; readonly sweep: Sweep }[];
  },
): ReportData {
  const { runs, sweeps } = parts;
  const heated = runs.filter(({ heat }) => heat !== undefined).length;
  const cellsMax = Math.max(HEAT_CELLS_MIN, Math.floor(HEAT_CELLS_MAX / Math.max(1, heated)));
  const pointsMax = Math.max(POINTS_MIN, Math.floor(POINTS_MAX / Math.max(1, runs.length)));
  return {
    ...parts,
    runs: runs.map((run) => thinPoints(thinned(run, cellsMax), pointsMax)),
    sweeps: sweeps.map(({ label, sweep }) => ({
      label,
      conditions: sweep.conditions,
      rounds: sweep.plan.rounds,
      runsLeft: runsLeft(sweep),
      cells: summariseSweep(sweep),
      named: namedRuns(sweep),
    })),
  };
}

function thinned(run: ReportRun, cellsMax: number): ReportRun {
  return run.heat === undefined ? run : { ...run, heat: thinHeat(run.heat, { cellsMax }) };
}

/** A third of the points each for samples, events and dirty curves. */
function thinPoints(run: ReportRun, pointsMax: number): ReportRun {
  const share = Math.floor(pointsMax / 3);
  const curveMax = Math.max(2, Math.floor(share / Math.max(1, run.iterations.length)));
  return {
    ...run,
    samples: everyNth(run.samples, share),
    events: everyNth(run.events, share),
    iterations: run.iterations.map((entry) =>
      entry.dirtyCurve === undefined
        ? entry
        : { ...entry, dirtyCurve: [...everyNth(entry.dirtyCurve, curveMax)] },
    ),
  };
}

/** At most so many items, evenly chosen, the first and the last among them. */
function everyNth<Item>(items: readonly Item[], countMax: number): readonly Item[] {
  if (items.length <= countMax) {
    return items;
  }
  const step = (items.length - 1) / (countMax - 1);
  return Array.from({ length: countMax }, (_, index) => items[Math.round(index * step)]!);
}
