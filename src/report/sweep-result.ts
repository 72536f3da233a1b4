import { z } from "zod";

/** Version of this schema; raised when a field changes meaning or goes. */
export const SWEEP_VERSION = 1;

const milliseconds = z.number().nonnegative();
const count = z.number().int().nonnegative();

/** One combination of what a sweep varies. */
export const sweepCellSchema = z.object({
  /** What sets it apart from the sweep's other cells, in words. */
  id: z.string(),
  /** The scenario that it is made from. */
  scenario: z.string(),
  /** The guest's description, as `xenferry create --guest` takes it. */
  guest: z.string(),
  kind: z.string(),
  memoryBytes: z.number().int().positive(),
  workingSetPages: z.number().int().positive(),
  vcpus: z.number().int().positive(),
  pattern: z.enum(["sequential", "uniform", "zipf"]),
  /** Page stores a second that were asked for, reads not among them. */
  storesPerSecond: z.number().nonnegative(),
  /** Limit of the link in octets a second; 0 is no limit. */
  linkBytesPerSecond: z.number().nonnegative(),
  policy: z.string(),
  downtimeTargetMs: z.number().positive(),
  engine: z.string(),
});

/** What one migration came to. */
export const sweepFiguresSchema = z.object({
  totalMs: milliseconds,
  downtimeMs: milliseconds,
  suspendMs: milliseconds,
  harvestMs: milliseconds,
  finalCopyMs: milliseconds,
  stateMs: milliseconds,
  handoverMs: milliseconds,
  resumeMs: milliseconds,
  iterations: count,
  bytes: count,
  /** Octets of the first iteration. */
  firstBytes: count,
  pagesSent: count,
  finalPages: count,
  /** Octets a second of the first iteration. */
  bytesPerSecond: z.number().nonnegative(),
  /** Page stores a second that the guest did while it was migrated and not standing still. */
  measuredStoresPerSecond: z.number().nonnegative(),
});

/** One migration of a sweep. */
export const sweepRunSchema = z.object({
  cell: z.string(),
  /** From 1 on; 0 and less warm up and do not count. */
  round: z.number().int(),
  startedAt: z.string(),
  /** "proven": the guest arrived, and proved all of its memory there. */
  outcome: z.enum(["proven", "bad"]),
  /** Code and words of what made it bad. */
  code: z.string().optional(),
  reason: z.string().optional(),
  figures: sweepFiguresSchema.optional(),
  stopReason: z.string().optional(),
  /** Share of the processors' time that the hypervisor gave to other machines meanwhile. */
  stolenShare: z.number().min(0).max(1).optional(),
});

/** What decides what a sweep is; results of the same plan can go on where they ended. */
export const sweepPlanSchema = z.object({
  name: z.string(),
  cells: z.array(sweepCellSchema).min(1).max(10_000),
  /** Migrations that count, of each cell. */
  rounds: z.number().int().min(1).max(1000),
  /** Migrations of each cell before those, which do not count. */
  warmUp: z.number().int().min(0).max(10),
});

/** Where, when and with what a sweep ran. */
export const sweepConditionsSchema = z.object({
  startedAt: z.string(),
  xenferry: z.string(),
  machine: z.object({
    cpu: z.string(),
    cpuCount: z.number().int().positive(),
    memoryBytes: z.number().int().positive(),
    kernel: z.string(),
    arch: z.string(),
    node: z.string(),
  }),
});

/** The file that `xenferry bench` leaves. */
export const sweepSchema = z.object({
  sweepVersion: z.literal(SWEEP_VERSION),
  conditions: sweepConditionsSchema,
  plan: sweepPlanSchema,
  /** In the order in which they were made. */
  runs: z.array(sweepRunSchema),
});

export type SweepCell = z.infer<typeof sweepCellSchema>;
export type SweepFigures = z.infer<typeof sweepFiguresSchema>;
export type SweepRun = z.infer<typeof sweepRunSchema>;
export type SweepPlan = z.infer<typeof sweepPlanSchema>;
export type SweepConditions = z.infer<typeof sweepConditionsSchema>;
export type Sweep = z.infer<typeof sweepSchema>;

/** First line of a sweep's journal; each line below it is a run. */
const journalHeadSchema = sweepSchema.omit({ runs: true });

/**
 * Reads the journal of a sweep that is not complete. What follows the last line feed is a run that
 * was not written to its end, and is left out.
 *
 * @returns undefined where it is no journal, or a damaged one.
 */
export function parseSweepJournal(text: string): Sweep | undefined {
  const [head = "", ...lines] = text.split("\n");
  try {
    const runs = lines.slice(0, -1).map((line) => sweepRunSchema.parse(JSON.parse(line)));
    return { ...journalHeadSchema.parse(JSON.parse(head)), runs };
  } catch {
    return undefined;
  }
}
