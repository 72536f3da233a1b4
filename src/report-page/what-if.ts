import { PAGE_BYTES } from "../base/units.ts";
import { type DirtyPoint, fitDirtyCurve } from "../model/dirty-curve.ts";
import { curveProcess } from "../model/dirty-process.ts";
import { type ModelledMigration, modelledIterations } from "../model/modelled.ts";
import {
  isPolicyName,
  POLICY_NAMES,
  type PolicyName,
  policyNamed,
} from "../model/policies/choose.ts";
import { POLICY_DEFAULTS } from "../model/policy.ts";
import { type SimulatedMigration, simulate } from "../model/simulate.ts";
import type { ReportRun, TimedIteration } from "../report/report-run.ts";
import { medianOf } from "../report/statistics.ts";

/** Circumstances that a run might have had. */
export interface Question {
  readonly bytesPerSecond: number;
  readonly downtimeTargetMs: number;
  readonly policy: PolicyName;
}

/** A run's model: what it was, and what else it might have been. */
export interface WhatIf {
  readonly policies: readonly PolicyName[];
  /** As the run was; another policy than the model knows counts as its usual one. */
  readonly asMeasured: Question;
  ask(question: Question): SimulatedMigration;
}

/** Points that the curve of dirty pages is fitted to: more take longer and tell little more. */
const POINTS_MAX = 24;

/** A model of a live migration; undefined where nothing was sent while the guest ran. */
export function whatIfOf(run: ReportRun): WhatIf | undefined {
  const precopy = run.iterations.filter(({ phase }) => phase === "precopy");
  const sendMs = precopy.reduce((sum, entry) => sum + entry.sendMs, 0);
  const bytes = precopy.reduce((sum, entry) => sum + entry.bytes, 0);
  const { downtime, memoryBytes } = run;
  if (bytes === 0 || sendMs === 0 || downtime === undefined || memoryBytes === undefined) {
    return undefined;
  }
  const curve = fitDirtyCurve(seenPoints(precopy), memoryBytes / PAGE_BYTES);
  const harvestMs = medianOf(precopy.map(({ logDirtyMs }) => logDirtyMs));
  const durationMs = precopy.reduce((sum, entry) => sum + entry.durationMs, 0);
  const parts: Omit<ModelledMigration, "link"> = {
    dataPages: precopy[0]!.pagesSent,
    emptyPages: precopy[0]!.pagesAllocateOnly,
    dirty: curveProcess(curve),
    costs: {
      iterationMs: 0,
      harvestMs,
      harvestMsPerPage: 0,
      gapMs: 0,
      handoverMs: Math.max(0, downtime.totalMs - downtime.finalCopyMs - downtime.harvestMs),
      aroundMs: Math.max(0, run.totalMs - durationMs - downtime.totalMs),
    },
  };
  return {
    policies: POLICY_NAMES,
    asMeasured: {
      bytesPerSecond: (bytes * 1000) / sendMs,
      downtimeTargetMs: run.policy?.parameters.downtimeTargetMs ?? POLICY_DEFAULTS.downtimeTargetMs,
      policy: policyOf(run),
    },
    ask: (question) => play(run, parts, question),
  };
}

function policyOf({ policy }: ReportRun): PolicyName {
  return policy !== undefined && isPolicyName(policy.name) ? policy.name : POLICY_NAMES[0];
}

function play(
  { policy: own }: ReportRun,
  parts: Omit<ModelledMigration, "link">,
  { bytesPerSecond, downtimeTargetMs, policy }: Question,
): SimulatedMigration {
  const given = Object.entries(own?.parameters ?? {}).filter(([name]) => name in POLICY_DEFAULTS);
  const options = { ...POLICY_DEFAULTS, ...Object.fromEntries(given), downtimeTargetMs };
  const source = modelledIterations({ ...parts, link: { bytesPerSecond } });
  return simulate(source, policyNamed(policy, options));
}

/** What was seen of how pages become dirty: at the ends of iterations, and within them. */
function seenPoints(precopy: readonly TimedIteration[]): readonly DirtyPoint[] {
  const ends = precopy.flatMap(({ durationMs, dirtyPagesAtEnd }) =>
    dirtyPagesAtEnd === "unknown" ? [] : [{ windowMs: durationMs, dirtyPages: dirtyPagesAtEnd }],
  );
  const within = precopy.flatMap(({ startMs, dirtyCurve = [] }) =>
    dirtyCurve.map(({ atMs, dirtyPages }) => ({ windowMs: atMs - startMs, dirtyPages })),
  );
  return [...everyNth(ends, POINTS_MAX / 2), ...everyNth(within, POINTS_MAX / 2)];
}

function everyNth<Item>(items: readonly Item[], countMax: number): readonly Item[] {
  const step = Math.max(1, Math.ceil(items.length / countMax));
  return items.filter((_, index) => index % step === 0);
}
