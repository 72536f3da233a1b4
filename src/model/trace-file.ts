import { z } from "zod";
import { MigrationError } from "../base/errors.ts";
import { PAGE_BYTES } from "../base/units.ts";
import { joinedProfileSchema } from "../report/joined-profile.ts";
import { type Profile, profileSchema } from "../report/profile.ts";
import { TRACE_VERSION, type Trace, type TraceIteration } from "./trace.ts";

const positive = z.number().positive();
const amount = z.number().nonnegative();

const traceSchema = z
  .strictObject({
    traceVersion: z.literal(TRACE_VERSION),
    name: z.string().min(1),
    about: z.string().default(""),
    source: z.string().optional(),
    assumed: z.string().optional(),
    memoryBytes: z.number().int().positive(),
    dataBytes: amount.optional(),
    linkBytesPerSecond: positive.optional(),
    handoverMs: amount.optional(),
    iterations: z
      .array(
        z.strictObject({
          bytes: amount,
          durationMs: positive,
          dirtyBytes: amount,
          repeat: z.number().int().positive().max(100_000).optional(),
        }),
      )
      .min(1)
      .optional(),
    dirtyCurve: z
      .array(z.strictObject({ windowMs: positive, dirtyBytes: amount }))
      .min(1)
      .optional(),
    workload: z
      .strictObject({
        storesPerSecond: amount,
        pattern: z.enum(["sequential", "uniform", "zipf"]),
        workingSetShare: z.number().positive().max(1),
        vcpus: z.number().int().positive().default(1),
        phases: z.array(z.strictObject({ durationMs: positive, rate: amount })).optional(),
      })
      .optional(),
  })
  .refine(
    ({ iterations, dirtyCurve, workload }) =>
      [iterations, dirtyCurve, workload].filter((part) => part !== undefined).length === 1,
    "one of iterations, dirtyCurve and workload is needed",
  );

/** Most octets of a trace's text. */
const TEXT_LENGTH_MAX = 256 * 2 ** 20;

/**
 * Reads a trace, or a profile as one.
 *
 * @param file names it where it does not go well.
 * @throws MigrationError TRACE_INVALID
 */
export function parseTrace(text: string, file: string): Trace {
  if (text.length > TEXT_LENGTH_MAX) {
    throw new MigrationError("TRACE_INVALID", { file, lengthBytes: text.length });
  }
  const content = jsonOf(text, file);
  const joined = joinedProfileSchema.safeParse(content).data;
  const profile = profileSchema.safeParse(joined?.source ?? content).data;
  if (profile !== undefined) {
    return traceOfProfile(profile, file);
  }
  const { data, error } = traceSchema.safeParse(content);
  if (data === undefined) {
    const issue = error.issues[0];
    const field = issue?.path.join(".");
    throw new MigrationError("TRACE_INVALID", { file, field, problem: issue?.message });
  }
  return data;
}

function jsonOf(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MigrationError("TRACE_INVALID", { file, problem: "it is no JSON" }, error);
  }
}

/**
 * What a profile tells of the loop.
 *
 * @throws MigrationError TRACE_INVALID it was not live
 */
export function traceOfProfile(profile: Profile, file: string): Trace {
  const live = profile.iterations.filter(({ phase }) => phase === "precopy");
  if (live.length === 0) {
    throw new MigrationError("TRACE_INVALID", { file, problem: "a profile without pre-copy" });
  }
  const { guest, downtime } = profile;
  return {
    traceVersion: TRACE_VERSION,
    name: guest.name,
    about: `${profile.operation} of ${profile.startedAt}`,
    memoryBytes: guest.memoryBytes,
    ...(downtime && { handoverMs: downtime.totalMs - downtime.finalCopyMs }),
    iterations: live.map(
      (entry): TraceIteration => ({
        bytes: entry.bytes,
        durationMs: entry.durationMs,
        dirtyBytes: entry.dirtyPagesAtEnd === "unknown" ? 0 : entry.dirtyPagesAtEnd * PAGE_BYTES,
      }),
    ),
  };
}
