import { z } from "zod";

/** Version of the profile's schema; raised when a field changes meaning or goes. */
export const PROFILE_VERSION = 1;

const milliseconds = z.number().nonnegative();
const pages = z.number().int().nonnegative();

/**
 * Time spent on parts of an iteration, by all threads together (ms); what took none, or cannot be
 * told, is absent.
 */
const iterationPartsSchema = z.object({
  /** Making pages accessible, and asking for their types. */
  mapMs: milliseconds.optional(),
  /** Looking for pages of zeros. */
  zeroMs: milliseconds.optional(),
  /** Copying pages, and comparing them with what was sent. */
  copyMs: milliseconds.optional(),
  /** Digests and checksums. */
  checksumMs: milliseconds.optional(),
  compressMs: milliseconds.optional(),
  /** In calls that hand octets to the transport. */
  writeMs: milliseconds.optional(),
  /** Waiting for a transport that is full, or for a bandwidth limit. */
  waitMs: milliseconds.optional(),
  /** Until the peer had taken the last of it. */
  drainMs: milliseconds.optional(),
});

/** One pass over dirty pages. Iteration 0 sends all of memory. */
export const iterationSchema = z.object({
  iteration: z.number().int().nonnegative(),
  /** Whether the guest ran meanwhile. */
  phase: z.enum(["precopy", "stop-and-copy"]),
  /** Pages that were to be sent when it began. */
  pagesPlanned: pages,
  /** Pages sent with their data. */
  pagesSent: pages,
  /** Pages sent as "allocate only": zero, here and there. */
  pagesAllocateOnly: pages,
  /** Pages that could not be sent and were put off to the final iteration. */
  pagesDeferred: pages,
  /** Pages left out because they were last sent with the same content. */
  pagesUnchanged: pages.default(0),
  /** Octets of stream, heads included. */
  bytes: z.number().int().nonnegative(),
  /** Pages dirtied while it ran; "unknown" in the final one. */
  dirtyPagesAtEnd: z.union([pages, z.literal("unknown")]),
  /** In the engine's bitmap scan. */
  scanMs: milliseconds,
  /** From the first page offered to the transport to the last accepted. */
  sendMs: milliseconds,
  /** In the log-dirty call that ended it. */
  logDirtyMs: milliseconds,
  durationMs: milliseconds,
  /** Octets of stream a second of `sendMs`. */
  bytesPerSecond: z.number().nonnegative(),
  /** `dirtyPagesAtEnd` a second of `durationMs`; 0 in the final iteration. */
  dirtyPagesPerSecond: z.number().nonnegative(),
  /** When it began, since the operation did (ms). */
  startMs: milliseconds.optional(),
  /** In what sending consists of. */
  parts: iterationPartsSchema.optional(),
  /**
   * Pages dirtied since it began, looked at now and then without resetting them, in long iterations
   * only; `atMs` is since it began. At most 64.
   */
  dirtyCurve: z.array(z.object({ atMs: milliseconds, dirtyPages: pages })).optional(),
});

/** The parts of downtime, in their order, on the source's clock; they add up to `totalMs`. */
export const downtimeSchema = z.object({
  /** From the request until every vCPU stood still. */
  suspendMs: milliseconds,
  /** The last reading of the dirty bitmap. */
  harvestMs: milliseconds,
  finalCopyMs: milliseconds,
  /** Reading and sending state records, up to the stream's end. */
  stateMs: milliseconds,
  /** From the stream's end until the receiver was ready and permission went out. */
  handoverMs: milliseconds,
  /**
   * From permission until the receiver's report that the guest runs, or until it was resumed here.
   */
  resumeMs: milliseconds,
  totalMs: milliseconds,
});

/** What happened when, since the operation began (ms). */
const timedEventSchema = z.object({ atMs: milliseconds, event: z.string() });

/**
 * What the stream had carried by then, of the whole operation: octets, and pages that were dealt
 * with, one way or another (at the receiving end: that came with data).
 */
const sampleSchema = z.object({
  atMs: milliseconds,
  bytes: z.number().int().nonnegative(),
  pages,
});

/**
 * How many pages were dirty, by place and iteration: `pfnsPerCell` frames to a cell, from frame 0
 * on. The cells of a row are pages that iteration was to send; of the final one, as far as was
 * known just before the guest was suspended. Of many iterations every second one is left out, or
 * more, but the first and the last are there.
 */
const heatSchema = z.object({
  pfnsPerCell: z.number().int().positive(),
  rows: z.array(
    z.object({ iteration: z.number().int().nonnegative(), dirtyPages: z.array(pages) }),
  ),
});

/**
 * What the operation's own process used (ms, octets): CPU time meanwhile, and the most memory that
 * it had resident since it was started, guest memory that it maps included.
 */
const resourcesSchema = z.object({
  cpuUserMs: milliseconds,
  cpuSystemMs: milliseconds,
  memoryBytesMax: z.number().int().nonnegative(),
});

/**
 * Where time went at the receiving end, by all threads together (ms); what took none, or cannot be
 * told, is absent.
 */
const intakeSchema = z.object({
  /** Waiting for the stream. */
  waitMs: milliseconds.optional(),
  /** Reading it, without that. */
  readMs: milliseconds.optional(),
  /** Unpacking pages. */
  unpackMs: milliseconds.optional(),
  /** Storing pages in the guest's memory. */
  storeMs: milliseconds.optional(),
});

/**
 * Monotonic clock of the machine when the operation began; what a machine's processes share until
 * it is booted again, which `bootId` tells. Times of two profiles with one `bootId` are joined by
 * the difference of their `startMs`.
 */
const clockSchema = z.object({ bootId: z.string(), startMs: milliseconds });

/** What one save, restore or migration did and why: the file that `--profile` writes. */
export const profileSchema = z.object({
  profileVersion: z.literal(PROFILE_VERSION),
  operation: z.enum(["save", "restore", "migrate", "receive"]),
  outcome: z.enum(["completed", "failed"]),
  /** Code of the error that ended it, where it failed. */
  errorCode: z.string().optional(),
  /** Wall-clock time of the start, ISO 8601. */
  startedAt: z.string(),
  machine: z.object({
    platform: z.string(),
    kernel: z.string(),
    arch: z.string(),
    cpu: z.string(),
    cpuCount: z.number().int().positive(),
    node: z.string(),
  }),
  xenferry: z.string(),
  engine: z.object({ name: z.string(), variants: z.record(z.string(), z.string()) }),
  guest: z.object({
    name: z.string(),
    kind: z.string(),
    memoryBytes: z.number().int().positive(),
    vcpus: z.number().int().positive(),
    logDirty: z.string(),
  }),
  mode: z.enum(["live", "non-live"]).optional(),
  /** What moved the pages: threads of the add-on, or TypeScript. */
  pump: z.enum(["native", "portable"]).optional(),
  /** Octets that were written to a file past the page cache; absent where none is written. */
  directBytes: z.number().int().nonnegative().optional(),
  /** Connections that pages went over, the stream's own included; of migrations. */
  channels: z.number().int().positive().optional(),
  /** Whether pages were packed, as the receiver agreed; of migrations. */
  compression: z.enum(["none", "zstd", "auto"]).optional(),
  policy: z.object({ name: z.string(), parameters: z.record(z.string(), z.number()) }).optional(),
  /** Why the loop ended, in the policy's words. */
  stopReason: z.string().optional(),
  /** The address or file. */
  target: z.string(),
  iterations: z.array(iterationSchema),
  downtime: downtimeSchema.optional(),
  /** From the request until the guest was released here, or stood ready. */
  totalMs: milliseconds,
  totalBytes: z.number().int().nonnegative(),
  totalPagesSent: pages,
  /** Of the profile's own process. */
  clock: clockSchema.optional(),
  /** Phases, decisions, channels that joined: in their order, at most 1,000. */
  events: z.array(timedEventSchema).optional(),
  /** Rising in time, at most 1,000. */
  samples: z.array(sampleSchema).optional(),
  /** At most 512 cells a row, and 256 rows. */
  heat: heatSchema.optional(),
  resources: resourcesSchema.optional(),
  /** Of restore and receive. */
  intake: intakeSchema.optional(),
});

export type IterationStatistics = z.infer<typeof iterationSchema>;
export type IterationParts = z.infer<typeof iterationPartsSchema>;
export type DirtyCurve = NonNullable<IterationStatistics["dirtyCurve"]>;
export type Heat = z.infer<typeof heatSchema>;
export type IntakeParts = z.infer<typeof intakeSchema>;
export type Downtime = z.infer<typeof downtimeSchema>;
export type Profile = z.infer<typeof profileSchema>;

/** Reads a profile back. @throws ZodError the text is another schema or version. */
export function parseProfile(text: string): Profile {
  return profileSchema.parse(JSON.parse(text));
}
