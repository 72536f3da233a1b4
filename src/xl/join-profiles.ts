import { packageVersion } from "../base/version.ts";
import {
  type ClockMatch,
  JOINED_PROFILE_VERSION,
  type JoinedProfile,
  joinedProfileSchema,
  type TimedEvent,
} from "../report/joined-profile.ts";
import type { Downtime } from "../report/profile.ts";
import type { ListedDomain } from "./domains.ts";
import type { EndRecord } from "./end-record.ts";
import type { ClockOffset } from "./far-end.ts";
import type { XlOutcome } from "./operation.ts";

/** What a joined profile is made of. */
export interface JoinParts {
  readonly outcome: XlOutcome;
  readonly domain: ListedDomain;
  readonly host: string;
  readonly xenVersion: string | undefined;
  /** How the other machine's clock differs; "same" where it is this machine. */
  readonly clock: ClockOffset | "same" | undefined;
  readonly errorCode: string | undefined;
}

/** Joins what both ends of a migration, and `xl`, told of it. */
export function joinProfiles(parts: JoinParts): JoinedProfile {
  const { outcome, domain, host, xenVersion, errorCode } = parts;
  const { near, far, startMs, endMs } = outcome;
  const clock = matchClocks(parts);
  const { profile: source } = near;
  const { profile: target, domid: targetDomid } = far;
  const downtime = downtimeOf(outcome);
  return joinedProfileSchema.parse({
    joinedProfileVersion: JOINED_PROFILE_VERSION,
    operation: "migrate",
    outcome: errorCode === undefined ? "completed" : "failed",
    ...(errorCode !== undefined && { errorCode }),
    startedAt: outcome.startedAt.toISOString(),
    xenferry: packageVersion(),
    ...(xenVersion !== undefined && { xen: xenVersion }),
    guest: {
      name: domain.name,
      ...(domain.type && { type: domain.type }),
      domid: domain.domid,
      ...(targetDomid !== undefined && { targetDomid }),
    },
    host,
    ...(clock && { clock }),
    events: eventsOf(outcome, clock?.offsetMs ?? 0),
    ...(source && { source: { ...source, guest: { ...source.guest, name: domain.name } } }),
    ...(target && { target: { ...target, guest: { ...target.guest, name: domain.name } } }),
    ...(downtime && { downtime }),
    totalMs: endMs - startMs,
  });
}

function matchClocks({ clock, outcome }: JoinParts): ClockMatch | undefined {
  const { farLeadMs } = outcome;
  if (farLeadMs === undefined) {
    return undefined;
  }
  if (clock === "same") {
    return { method: "one machine", offsetMs: 0, uncertaintyMs: 0 };
  }
  return clock === undefined
    ? { method: "arrival", offsetMs: farLeadMs }
    : { method: "round trips", ...clock };
}

function eventsOf({ near, far, moments, startMs }: XlOutcome, offsetMs: number): TimedEvent[] {
  const told = [...moments].map(([event, atMs]) => ({ atMs, by: "xl" as const, event }));
  return [...eventsAt(near, "source", 0), ...eventsAt(far, "target", offsetMs), ...told]
    .map(({ atMs, ...event }) => ({ atMs: atMs - startMs, ...event }))
    .sort((one, other) => one.atMs - other.atMs);
}

function eventsAt(
  { startedMs, steps, endedMs, error }: EndRecord,
  by: "source" | "target",
  offsetMs: number,
): readonly TimedEvent[] {
  const ending = error === undefined ? "completed" : "failed";
  const all = [["started", startedMs], ...steps, [ending, endedMs]] as const;
  return all.flatMap(([event, atMs]) =>
    atMs === undefined ? [] : { atMs: atMs + offsetMs, by, event },
  );
}

/** Undefined unless the guest was moved, and the source's helper told its steps. */
function downtimeOf({ near, moments }: XlOutcome): Downtime | undefined {
  const measured = near.profile?.downtime;
  const sentMs = near.steps.get("sent");
  const permittedMs = moments.get("permitted");
  const reportedMs = moments.get("reported");
  if (!measured || sentMs === undefined || permittedMs === undefined || reportedMs === undefined) {
    return undefined;
  }
  const handoverMs = permittedMs - sentMs;
  const resumeMs = reportedMs - permittedMs;
  const { totalMs: untilSentMs } = measured;
  return { ...measured, handoverMs, resumeMs, totalMs: untilSentMs + handoverMs + resumeMs };
}
