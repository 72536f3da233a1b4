import { PAGE_BYTES } from "../base/units.ts";
import { guestSpecOf, type Scenario, STANDARD_SCENARIOS } from "../model/scenarios.ts";
import { TRACE_VERSION } from "../model/trace.ts";
import type { SweepCell, SweepPlan } from "../report/sweep-result.ts";

/** What a sweep varies; each combination is a cell. An empty list leaves what the scenario says. */
export interface SweepAxes {
  readonly scenarios: readonly Scenario[];
  readonly memoryBytes: readonly number[];
  /** Octets a second; 0 is no limit. */
  readonly linkBytesPerSecond: readonly number[];
  /** Page stores a second. */
  readonly storesPerSecond: readonly number[];
  readonly patterns: readonly SweepCell["pattern"][];
  readonly policies: readonly string[];
  readonly downtimeTargetMs: readonly number[];
  readonly engines: readonly string[];
  /** Kind of the embedded guests. */
  readonly kind: string;
  /** More vCPUs than the machine has processors for measure its scheduler. */
  readonly vcpusMax: number;
}

/** A gigabit a second, as far as octets of a stream get of it. */
export const GIGABIT_BYTES = (1e9 * 0.94) / 8;

/** What a link without a limit is taken for where a scenario's pace is fitted to it. */
const UNLIMITED_BYTES_PER_SECOND = 10 * GIGABIT_BYTES;

/** Half of memory written at random: for curves against the dirty rate. */
export const CURVE_SCENARIO: Scenario = {
  traceVersion: TRACE_VERSION,
  name: "curve",
  about: "half of memory written at random, at one rate after the other",
  memoryBytes: 2 ** 30,
  linkBytesPerSecond: GIGABIT_BYTES,
  workload: { storesPerSecond: 0, pattern: "uniform", workingSetShare: 0.5, vcpus: 1 },
};

/** Dirty rates of the standard sweep's curve, in octets a second: up to above its link. */
const CURVE_BYTES_PER_SECOND = [0, 30e6, 60e6, 90e6, 150e6];

/** What of a sweep is the same whatever its cells are. */
export type SweepFrame = Pick<SweepAxes, "engines" | "kind" | "vcpusMax" | "downtimeTargetMs">;

/** The cells of the standard sweep: the standard scenarios and a curve, by two policies. */
export function standardCells(frame: SweepFrame): readonly SweepCell[] {
  const axes: SweepAxes = {
    ...frame,
    scenarios: STANDARD_SCENARIOS,
    memoryBytes: [128 * 2 ** 20],
    linkBytesPerSecond: [GIGABIT_BYTES],
    storesPerSecond: [],
    patterns: [],
    policies: ["downtime", "xen"],
  };
  const storesPerSecond = CURVE_BYTES_PER_SECOND.map((rate) => Math.round(rate / PAGE_BYTES));
  return [...cellsOf(axes), ...cellsOf({ ...axes, scenarios: [CURVE_SCENARIO], storesPerSecond })];
}

/** All combinations, in the order of the axes. */
export function cellsOf(axes: SweepAxes): readonly SweepCell[] {
  const cells = axes.scenarios.flatMap((scenario) =>
    orOwn(axes.memoryBytes, scenario.memoryBytes).flatMap((memoryBytes) =>
      orOwn(axes.linkBytesPerSecond, scenario.linkBytesPerSecond).flatMap((linkBytesPerSecond) =>
        fitted(scenario, { memoryBytes, linkBytesPerSecond }).flatMap((guest) =>
          variants(guest, axes).flatMap((variant) => runCells(variant, axes)),
        ),
      ),
    ),
  );
  return [...new Map(cells.map((cell) => [cell.id, cell])).values()];
}

/** Puts a plan together. */
export function planOf(
  name: string,
  cells: readonly SweepCell[],
  { rounds, warmUp }: Pick<SweepPlan, "rounds" | "warmUp">,
): SweepPlan {
  return { name, cells: [...cells], rounds, warmUp };
}

function orOwn<Value>(values: readonly Value[], own: Value): readonly Value[] {
  return values.length === 0 ? [own] : values;
}

/** A scenario with the memory and link of a cell, its own link's pace in proportion. */
interface FittedScenario extends Scenario {
  readonly isUnlimited: boolean;
}

/** A guest that stores as much for each octet that its link carries as the scenario's does. */
function fitted(
  scenario: Scenario,
  { memoryBytes, linkBytesPerSecond }: Pick<Scenario, "memoryBytes" | "linkBytesPerSecond">,
): readonly FittedScenario[] {
  const isUnlimited = linkBytesPerSecond === 0;
  const pace = isUnlimited ? UNLIMITED_BYTES_PER_SECOND : linkBytesPerSecond;
  const { workload } = scenario;
  const storesPerSecond = (workload.storesPerSecond * pace) / scenario.linkBytesPerSecond;
  return [
    {
      ...scenario,
      memoryBytes,
      linkBytesPerSecond,
      isUnlimited,
      workload: { ...workload, storesPerSecond: Math.round(storesPerSecond) },
    },
  ];
}

function variants(guest: FittedScenario, axes: SweepAxes): readonly FittedScenario[] {
  const { workload } = guest;
  const vcpus = Math.min(workload.vcpus, axes.vcpusMax);
  return orOwn(axes.patterns, workload.pattern).flatMap((pattern) =>
    orOwn(axes.storesPerSecond, workload.storesPerSecond).map((storesPerSecond) => ({
      ...guest,
      workload: { ...workload, pattern, storesPerSecond, vcpus },
    })),
  );
}

function runCells(scenario: FittedScenario, axes: SweepAxes): readonly SweepCell[] {
  const { name, memoryBytes, linkBytesPerSecond, workload } = scenario;
  const { storesPerSecond, pattern, workingSetShare, vcpus } = workload;
  return axes.policies.flatMap((policy) =>
    axes.downtimeTargetMs.flatMap((downtimeTargetMs) =>
      axes.engines.map((engine) => {
        const cell = {
          scenario: name,
          guest: guestSpecOf(scenario, axes.kind),
          kind: axes.kind,
          memoryBytes,
          workingSetPages: Math.max(1, Math.floor((workingSetShare * memoryBytes) / PAGE_BYTES)),
          vcpus,
          pattern,
          storesPerSecond,
          linkBytesPerSecond,
          policy,
          downtimeTargetMs,
          engine,
        };
        return { id: idOf(cell), ...cell };
      }),
    ),
  );
}

/** All that sets cells apart, short; the same in every sweep that has such a cell. */
function idOf(cell: Omit<SweepCell, "id">): string {
  const { scenario, pattern, storesPerSecond, memoryBytes, linkBytesPerSecond } = cell;
  const { policy, downtimeTargetMs, engine, kind } = cell;
  const link = linkBytesPerSecond === 0 ? "no limit" : `${inMillions(linkBytesPerSecond)} MB/s`;
  return [
    scenario,
    `${pattern} ${inMillions(storesPerSecond * PAGE_BYTES)} MB/s`,
    `${memoryBytes / 2 ** 20} MiB`,
    link,
    `${policy} ${downtimeTargetMs}`,
    kind === "process" ? engine : `${kind} ${engine}`,
  ].join(", ");
}

function inMillions(bytes: number): string {
  return String(Math.round(bytes / 1e4) / 100);
}
