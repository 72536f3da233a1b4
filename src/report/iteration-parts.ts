import type { IterationStatistics } from "./profile.ts";

/** What an iteration's time goes to, in the order in which a report shows it. */
export const ITERATION_PARTS = [
  "scan",
  "prepare",
  "write",
  "wait",
  "drain",
  "log-dirty",
  "other",
] as const;

export type IterationPart = (typeof ITERATION_PARTS)[number];

/** What each part is, for a person. */
export const ITERATION_PART_MEANING: Readonly<Record<IterationPart, string>> = {
  scan: "looking for dirty pages in the bitmap",
  prepare: "mapping, copying, checksumming and packing pages, and looking for zeros",
  write: "handing pages to the transport",
  wait: "waiting for a full transport, or for the bandwidth limit",
  drain: "until the peer had taken the last of it",
  "log-dirty": "asking which pages were written meanwhile",
  other: "all else",
};

/**
 * How long an iteration spent on each part (ms); together they are its duration. What several
 * threads did at once is scaled to the time that passed. Where a profile does not tell what sending
 * consisted of, all of it but the scan is "write".
 */
export function partsOf(entry: IterationStatistics): ReadonlyMap<IterationPart, number> {
  const { parts = {}, scanMs, sendMs, logDirtyMs, durationMs } = entry;
  const drainMs = Math.min(parts.drainMs ?? 0, sendMs);
  const sendingMs = sendMs - drainMs;
  const {
    mapMs = 0,
    zeroMs = 0,
    copyMs = 0,
    checksumMs = 0,
    compressMs = 0,
    writeMs,
    waitMs = 0,
  } = parts;
  const prepareMs = mapMs + zeroMs + copyMs + checksumMs + compressMs;
  const known = scanMs + prepareMs + (writeMs ?? 0) + waitMs;
  const scale = known > sendingMs ? sendingMs / known : 1;
  const restMs = Math.max(0, sendingMs - known * scale);
  const isWriteTold = writeMs !== undefined;
  const logMs = Math.min(logDirtyMs, durationMs);
  return new Map<IterationPart, number>([
    ["scan", scanMs * scale],
    ["prepare", prepareMs * scale],
    ["write", (writeMs ?? 0) * scale + (isWriteTold ? 0 : restMs)],
    ["wait", waitMs * scale],
    ["drain", drainMs],
    ["log-dirty", logMs],
    ["other", (isWriteTold ? restMs : 0) + Math.max(0, durationMs - sendMs - logMs)],
  ]);
}
