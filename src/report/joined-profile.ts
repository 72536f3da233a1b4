import { z } from "zod";
import { downtimeSchema, profileSchema } from "./profile.ts";

/** Version of this schema; raised when a field changes meaning or goes. */
export const JOINED_PROFILE_VERSION = 1;

/**
 * How times of the target's machine were brought to the source's: there is one machine; the other's
 * clock was read over and over before; or reports of the target were taken to come without delay.
 */
const clockSchema = z.object({
  method: z.enum(["one machine", "round trips", "arrival"]),
  /** Added to the target's times (ms). */
  offsetMs: z.number(),
  /** The true offset is at most so much more or less (ms); absent where that is not known. */
  uncertaintyMs: z.number().nonnegative().optional(),
});

/** What a live migration by `xl` did, as both ends and `xl` itself tell: of `migrate --profile`. */
export const joinedProfileSchema = z.object({
  joinedProfileVersion: z.literal(JOINED_PROFILE_VERSION),
  operation: z.literal("migrate"),
  outcome: z.enum(["completed", "failed"]),
  /** Code of the error that ended it, where it failed. */
  errorCode: z.string().optional(),
  /** Wall-clock time of the start, ISO 8601, by the source. */
  startedAt: z.string(),
  xenferry: z.string(),
  /** Version of the source's hypervisor. */
  xen: z.string().optional(),
  guest: z.object({
    name: z.string(),
    type: z.enum(["pv", "pvh", "hvm"]).optional(),
    /** Its numbers at the source and at the target. */
    domid: z.number().int().nonnegative(),
    targetDomid: z.number().int().nonnegative().optional(),
  }),
  host: z.string(),
  /** Absent where no helper of ours spoke at the target. */
  clock: clockSchema.optional(),
  /** What happened, in its order; times are since the start of `xl`, on the source's clock. */
  events: z.array(
    z.object({ atMs: z.number(), by: z.enum(["source", "target", "xl"]), event: z.string() }),
  ),
  /** What the helpers of both ends tell of themselves. */
  source: profileSchema.optional(),
  target: profileSchema.optional(),
  /**
   * On the source's clock, from the source's request to suspend until `xl` was read to say that the
   * target reports the guest's start, which comes a little after the fact. Between the stream's end
   * and permission libxl moves device models and makes devices, which is in `handoverMs`.
   */
  downtime: downtimeSchema.optional(),
  /** From the start of `xl` to its end. */
  totalMs: z.number().nonnegative(),
});

export type JoinedProfile = z.infer<typeof joinedProfileSchema>;
export type ClockMatch = z.infer<typeof clockSchema>;
export type TimedEvent = JoinedProfile["events"][number];

/** Reads a joined profile back. @throws ZodError the text is another schema or version. */
export function parseJoinedProfile(text: string): JoinedProfile {
  return joinedProfileSchema.parse(JSON.parse(text));
}
