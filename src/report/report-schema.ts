import { z } from "zod";
import { iterationSchema, profileSchema } from "./profile.ts";
import type { ReportLine } from "./report-lines.ts";

const count = z.number().int().nonnegative();
const pid = z.number().int().positive();
const text = z.string().max(4096);

const PHASES = [
  "setup",
  "precopy",
  "suspend",
  "stop-and-copy",
  "state",
  "handover",
  "resume",
  "done",
] as const;

const progressSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("phase"), phase: z.enum(PHASES) }),
  z.object({
    kind: z.literal("pages"),
    iteration: count,
    pagesDone: count,
    pagesPlanned: count,
    bytes: count,
  }),
  z.object({ kind: z.literal("iteration"), statistics: iterationSchema }),
  z.object({ kind: z.literal("decision"), action: text, reason: text }),
  z.object({ kind: z.literal("step"), step: text }),
  z.object({ kind: z.literal("taken"), pages: count, bytes: count }),
]);

const errorSchema = z.object({
  code: text.optional(),
  message: text,
  where: z.record(z.string(), z.unknown()).optional(),
});

const atMs = z.number();

const lineSchema = z.discriminatedUnion("event", [
  z.object({
    event: z.literal("started"),
    operation: z.enum(["save", "restore"]),
    pid,
    domid: count,
    atMs,
  }),
  z.object({ event: z.literal("progress"), progress: progressSchema, atMs }),
  z.object({ event: z.literal("step"), step: text, atMs }),
  z.object({
    event: z.literal("profile"),
    profile: profileSchema.omit({ iterations: true }),
    atMs,
  }),
  z.object({ event: z.literal("ended"), error: z.array(errorSchema).max(8).optional(), atMs }),
  z.object({ event: z.literal("transport"), pid, atMs }),
]);

/** Reads the JSON of a report line; undefined where it is none, for it may come from anywhere. */
export function parseReport(json: string): ReportLine | undefined {
  try {
    return lineSchema.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}
