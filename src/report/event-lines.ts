import { z } from "zod";
import { downtimeSchema, iterationSchema, profileSchema } from "./profile.ts";

/** Version of the events' schema; raised when a field changes meaning or goes. */
export const EVENTS_VERSION = 1;

const count = z.number().int().nonnegative();
const profile = profileSchema.shape;

/** Since the operation began (ms). */
const atMs = z.number();

/**
 * One event, a line of what `--events` writes. An operation starts with "started" and ends with
 * "ended"; a receiver that goes on listening has one such run of events for each guest.
 */
export const eventLineSchema = z.discriminatedUnion("event", [
  /** A receiver waits for connections at this address. */
  z.object({ event: z.literal("listening"), address: z.string() }),
  z.object({
    event: z.literal("started"),
    atMs,
    eventsVersion: z.literal(EVENTS_VERSION),
    operation: profile.operation,
    startedAt: profile.startedAt,
    /** Absent where it is not known yet: at the receiving end. */
    guest: z.string().optional(),
    target: z.string(),
    clock: profile.clock,
  }),
  z.object({ event: z.literal("phase"), atMs, phase: z.string() }),
  /**
   * At the sending end, at most ten times a second: pages of the iteration under way that were
   * dealt with, and octets of the whole stream.
   */
  z.object({
    event: z.literal("progress"),
    atMs,
    iteration: count,
    pagesDone: count,
    pagesPlanned: count,
    bytes: count,
  }),
  /** At the receiving end, at most ten times a second: what has come with data, in all. */
  z.object({ event: z.literal("taken"), atMs, pages: count, bytes: count }),
  z.object({ event: z.literal("iteration"), atMs, statistics: iterationSchema }),
  /** The policy's, after an iteration. */
  z.object({ event: z.literal("decision"), atMs, action: z.string(), reason: z.string() }),
  /** Something else was reached: the steps of profiles. */
  z.object({ event: z.literal("step"), atMs, step: z.string() }),
  z.object({
    event: z.literal("ended"),
    atMs,
    outcome: profile.outcome,
    errorCode: profile.errorCode,
    guest: z.string().optional(),
    totalMs: profile.totalMs,
    totalBytes: profile.totalBytes,
    totalPagesSent: profile.totalPagesSent,
    stopReason: profile.stopReason,
    downtime: downtimeSchema.optional(),
    resources: profile.resources,
    /** Events that were left out because nobody read those before them. */
    leftOut: count.optional(),
  }),
]);

export type EventLine = z.infer<typeof eventLineSchema>;

/** Reads a line back. @throws ZodError, SyntaxError */
export function parseEventLine(line: string): EventLine {
  return eventLineSchema.parse(JSON.parse(line));
}
