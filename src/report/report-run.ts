import type { ClockMatch, JoinedProfile, TimedEvent } from "./joined-profile.ts";
import type { Downtime, IterationStatistics, Profile } from "./profile.ts";

/** An iteration with its place in time, which old profiles do not tell. */
export interface TimedIteration extends IterationStatistics {
  /** Since the run began (ms). */
  readonly startMs: number;
}

/** What one end's own process used. */
export interface EndUsage {
  readonly end: "source" | "target";
  readonly totalMs: number;
  readonly resources: NonNullable<Profile["resources"]>;
  /** Where time went at a receiving end. */
  readonly intake?: Profile["intake"];
}

/** What a stream had taken by then. */
export type Sample = NonNullable<Profile["samples"]>[number];

/**
 * A save, restore or migration as a report tells of it: plain JSON, both ends where both are
 * known, and all times since its beginning on the source's clock (ms).
 */
export interface ReportRun {
  /** What sets it apart from the report's other runs. */
  readonly label: string;
  readonly operation: Profile["operation"];
  readonly outcome: Profile["outcome"];
  readonly errorCode?: string | undefined;
  /** Wall-clock time, ISO 8601. */
  readonly startedAt: string;
  readonly guestName: string;
  /** Unknown where only `xl` told of the run. */
  readonly memoryBytes?: number | undefined;
  /** Circumstances in words: engine, policy, machine and the like. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly policy?: Profile["policy"];
  readonly stopReason?: string | undefined;
  readonly destination: string;
  readonly iterations: readonly TimedIteration[];
  /** Whether the places of iterations in time were told, or put together from their lengths. */
  readonly iterationTimes: "told" | "put together";
  readonly downtime?: Downtime | undefined;
  /** When the guest was asked to suspend. */
  readonly suspendAtMs?: number | undefined;
  readonly totalMs: number;
  readonly totalBytes: number;
  readonly totalPagesSent: number;
  readonly events: readonly TimedEvent[];
  readonly samples: readonly Sample[];
  /** What the target had taken by then, where both ends told. */
  readonly targetSamples?: readonly Sample[] | undefined;
  readonly heat?: Profile["heat"];
  readonly usage: readonly EndUsage[];
  /** How the target's times came to the source's clock, where they did. */
  readonly clock?: ClockMatch | undefined;
}

/** A profile of one end as a run. */
export function runOfProfile(profile: Profile, label: string): ReportRun {
  const end = endOf(profile);
  const { operation, outcome, errorCode, startedAt, guest, policy, stopReason } = profile;
  const { downtime, totalMs, totalBytes, totalPagesSent, heat } = profile;
  const timed = timedIterations(profile);
  return {
    ...{ label, operation, outcome, errorCode, startedAt, policy, stopReason },
    ...{ downtime, totalMs, totalBytes, totalPagesSent, heat },
    ...{ guestName: guest.name, memoryBytes: guest.memoryBytes, destination: profile.target },
    ...timed,
    facts: factsOf(profile),
    suspendAtMs: suspendAtMs(timed.iterations, downtime),
    events: (profile.events ?? []).map((event) => ({ ...event, by: end })),
    samples: profile.samples ?? [],
    usage: usageOf(profile, end),
  };
}

/**
 * Both ends of a migration as one run on the source's clock.
 *
 * @param clock what is to be added to the target's times.
 */
export function runOfEnds(
  { source, target }: { readonly source: Profile; readonly target: Profile },
  clock: ClockMatch,
  label: string,
): ReportRun {
  const run = runOfProfile(source, label);
  const there = (target.events ?? []).map(({ atMs, event }) => ({
    atMs: atMs + clock.offsetMs,
    by: "target" as const,
    event,
  }));
  return {
    ...run,
    clock,
    events: [...run.events, ...there].sort((one, other) => one.atMs - other.atMs),
    targetSamples: later(target.samples ?? [], clock.offsetMs),
    usage: [...run.usage, ...usageOf(target, "target")],
  };
}

/** A migration by `xl`, as both ends and `xl` itself told of it. */
export function runOfJoined(joined: JoinedProfile, label: string): ReportRun {
  const { source, target, downtime, totalMs, clock, host, outcome, errorCode } = joined;
  const { startedAt, guest } = joined;
  const offsetMs = startOf(joined, "source");
  const own = source === undefined ? undefined : shifted(runOfProfile(source, label), offsetMs);
  const begun = own ?? emptyRun(joined, label);
  const facts = joined.xen === undefined ? [] : ([["Xen", joined.xen]] as const);
  const targetOffsetMs = startOf(joined, "target");
  const there = (target?.events ?? []).map(({ atMs, event }) => ({
    ...{ atMs: atMs + targetOffsetMs, by: "target" as const, event },
  }));
  return {
    ...begun,
    ...{ label, outcome, errorCode, startedAt, totalMs, clock },
    ...{ operation: "migrate", guestName: guest.name, destination: host },
    downtime: downtime ?? begun.downtime,
    facts: [...facts, ...begun.facts],
    events: byTime([...joined.events, ...begun.events, ...there]),
    usage: [...begun.usage, ...(target ? usageOf(target, "target") : [])],
  };
}

/** A run of which nothing is known but that it was. */
function emptyRun(joined: JoinedProfile, label: string): ReportRun {
  const { outcome, errorCode, startedAt, totalMs, guest, host } = joined;
  return {
    ...{ label, outcome, errorCode, startedAt, totalMs, operation: "migrate" },
    ...{ guestName: guest.name, destination: host, facts: [], iterations: [], samples: [] },
    ...{ iterationTimes: "told", totalBytes: 0, totalPagesSent: 0, events: [], usage: [] },
  };
}

function startOf({ events }: JoinedProfile, end: "source" | "target"): number {
  return events.find(({ by, event }) => by === end && event === "started")?.atMs ?? 0;
}

function shifted(run: ReportRun, byMs: number): ReportRun {
  return {
    ...run,
    iterations: run.iterations.map(({ dirtyCurve, ...entry }) => ({
      ...entry,
      startMs: entry.startMs + byMs,
      ...(dirtyCurve && { dirtyCurve: later(dirtyCurve, byMs) }),
    })),
    suspendAtMs: run.suspendAtMs === undefined ? undefined : run.suspendAtMs + byMs,
    events: later(run.events, byMs),
    samples: later(run.samples, byMs),
  };
}

function later<Item extends { readonly atMs: number }>(items: readonly Item[], byMs: number) {
  return items.map((item) => ({ ...item, atMs: item.atMs + byMs }));
}

function byTime(events: readonly TimedEvent[]): readonly TimedEvent[] {
  return [...events].sort((one, other) => one.atMs - other.atMs);
}

function endOf({ operation }: Profile): "source" | "target" {
  return operation === "receive" || operation === "restore" ? "target" : "source";
}

function usageOf(profile: Profile, end: EndUsage["end"]): readonly EndUsage[] {
  const { resources, intake, totalMs } = profile;
  return resources === undefined ? [] : [{ end, totalMs, resources, intake }];
}

/** Iterations follow each other; the final one begins when the last dirty pages are known. */
function timedIterations({ iterations, downtime, totalMs }: Profile) {
  const isTold = iterations.every(({ startMs }) => startMs !== undefined);
  let nextMs = 0;
  const timed = iterations.map((entry): TimedIteration => {
    const isFinal = entry.phase === "stop-and-copy" && downtime !== undefined;
    const beforeMs = isFinal ? downtime.suspendMs + downtime.harvestMs : 0;
    const fromEndMs = isFinal ? totalMs - downtime.totalMs + beforeMs : 0;
    const startMs = entry.startMs ?? Math.max(nextMs, fromEndMs);
    nextMs = startMs + entry.durationMs;
    return { ...entry, startMs };
  });
  return {
    iterations: timed,
    iterationTimes: isTold ? ("told" as const) : ("put together" as const),
  };
}

function suspendAtMs(
  iterations: readonly TimedIteration[],
  downtime: Downtime | undefined,
): number | undefined {
  const final = iterations.find(({ phase }) => phase === "stop-and-copy");
  return downtime === undefined || final === undefined
    ? undefined
    : Math.max(0, final.startMs - downtime.suspendMs - downtime.harvestMs);
}

function factsOf(profile: Profile): ReportRun["facts"] {
  const { engine, guest, machine, mode, pump, channels, compression, policy } = profile;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["guest", `${guest.kind}, ${guest.vcpus} vCPU${guest.vcpus === 1 ? "" : "s"}`],
    ["dirty pages seen by", guest.logDirty],
    ["to or from", profile.target],
    ["mode", mode],
    ["policy", policy && `${policy.name}${parametersOf(policy.parameters)}`],
    ["engine", engine.name],
    ["pump", pump],
    ["channels", channels?.toString()],
    ["compression", compression],
    ["machine", `${machine.cpuCount} × ${machine.cpu}, ${machine.platform} ${machine.kernel}`],
    ["xenferry", `${profile.xenferry}, Node ${machine.node}`],
  ];
  return facts.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
}

function parametersOf(parameters: Readonly<Record<string, number>>): string {
  const texts = Object.entries(parameters).map(([name, value]) => `${name} ${value}`);
  return texts.length === 0 ? "" : ` (${texts.join(", ")})`;
}
