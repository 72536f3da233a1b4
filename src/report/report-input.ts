import { z } from "zod";
import { MigrationError } from "../base/errors.ts";
import { type JoinedProfile, joinedProfileSchema } from "./joined-profile.ts";
import { type Profile, profileSchema } from "./profile.ts";
import { type ReportRun, runOfEnds, runOfJoined, runOfProfile } from "./report-run.ts";
import { parseSweepJournal, type Sweep, sweepSchema } from "./sweep-result.ts";

/** A file that a report is made of, as it was read. */
export type ReportInput = { readonly file: string } & (
  | { readonly kind: "profile"; readonly profile: Profile }
  | { readonly kind: "joined"; readonly profile: JoinedProfile }
  | { readonly kind: "sweep"; readonly sweep: Sweep }
);

/** Files of several runs may not be larger: all of them are in memory, and then in a page. */
export const REPORT_INPUT_BYTES_MAX = 64 * 2 ** 20;

/**
 * Tells by its version field what a file holds, and checks it. The journal of a sweep that is not
 * complete is a sweep, too.
 *
 * @throws MigrationError REPORT_INPUT with the file and what is wrong with it
 */
export function parseReportInput(text: string, file: string): ReportInput {
  const journal = parseSweepJournal(text);
  if (journal !== undefined) {
    return { file, kind: "sweep", sweep: journal };
  }
  const value = parseJson(text, file);
  if (typeof value === "object" && value !== null) {
    if ("profileVersion" in value) {
      return { file, kind: "profile", profile: checked(profileSchema, value, file) };
    }
    if ("joinedProfileVersion" in value) {
      return { file, kind: "joined", profile: checked(joinedProfileSchema, value, file) };
    }
    if ("sweepVersion" in value) {
      return { file, kind: "sweep", sweep: checked(sweepSchema, value, file) };
    }
  }
  const needs = "a profile (migrate --profile), or what 'xenferry bench' leaves";
  throw new MigrationError("REPORT_INPUT", { file, needs });
}

/**
 * The runs that files tell of, in their order: a source's and a target's profile of one migration
 * become one run, where both were made on one machine since it was booted.
 */
export function runsOfInputs(inputs: readonly ReportInput[]): readonly ReportRun[] {
  const names = labelsOf(inputs);
  const targets = inputs.flatMap((input) =>
    input.kind === "profile" && input.profile.operation === "receive" ? [input.profile] : [],
  );
  const taken = new Set<Profile>();
  const made = inputs.map((input, index): readonly [ReportInput, ReportRun | undefined] => {
    const label = names[index]!;
    if (input.kind === "sweep") {
      return [input, undefined];
    }
    if (input.kind === "joined") {
      return [input, runOfJoined(input.profile, label)];
    }
    const target = targetOf(input.profile, targets, taken);
    if (target === undefined) {
      return [input, runOfProfile(input.profile, label)];
    }
    taken.add(target.profile);
    const { offsetMs } = target;
    const clock = { method: "one machine", offsetMs, uncertaintyMs: 0 } as const;
    return [input, runOfEnds({ source: input.profile, target: target.profile }, clock, label)];
  });
  return made.flatMap(([input, run]) =>
    run === undefined || (input.kind === "profile" && taken.has(input.profile)) ? [] : [run],
  );
}

/** The profile of the other end: of the same guest and boot, at work at the same time. */
function targetOf(source: Profile, targets: readonly Profile[], taken: ReadonlySet<Profile>) {
  const { clock } = source;
  if (source.operation !== "migrate" || clock === undefined) {
    return undefined;
  }
  for (const profile of targets) {
    const offsetMs = (profile.clock?.startMs ?? 0) - clock.startMs;
    const isOther =
      !taken.has(profile) &&
      profile.clock?.bootId === clock.bootId &&
      bareName(profile.guest.name) === bareName(source.guest.name) &&
      offsetMs < source.totalMs &&
      offsetMs + profile.totalMs > 0;
    if (isOther) {
      return { profile, offsetMs };
    }
  }
  return undefined;
}

/** Guests have another name while they are on their way. */
function bareName(name: string): string {
  return name.replace(/--(incoming|migratedaway)$/, "");
}

/** File names as far as they tell runs apart. */
function labelsOf(inputs: readonly ReportInput[]): readonly string[] {
  const short = inputs.map(({ file }) => file.replace(/^.*\//, "").replace(/\.json$/, ""));
  return short.map((name, index) =>
    short.filter((other) => other === name).length === 1 ? name : `${name} (${index + 1})`,
  );
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MigrationError("REPORT_INPUT", { file, problem: "it is not JSON" }, error);
  }
}

function checked<Value>(schema: z.ZodType<Value>, value: unknown, file: string): Value {
  const result = schema.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    const field = z.core.toDotPath(issue!.path);
    throw new MigrationError("REPORT_INPUT", { file, field, problem: issue!.message });
  }
  return result.data;
}
