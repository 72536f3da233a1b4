import { PAGE_BYTES } from "../base/units.ts";
import { DOWNTIME_PARTS } from "./downtime-parts.ts";
import { formatBytes, formatCount, formatMs, formatRate } from "./format.ts";
import { type HotRegion, hotRegions } from "./hot-regions.ts";
import type { ReportRun, TimedIteration } from "./report-run.ts";
import { medianOf } from "./statistics.ts";

/** The essentials of a run, for programs: plain JSON. */
export interface RunSummary {
  readonly label: string;
  readonly operation: string;
  readonly outcome: string;
  readonly errorCode?: string | undefined;
  readonly guest: string;
  readonly memoryBytes?: number | undefined;
  readonly totalMs: number;
  readonly downtimeMs?: number | undefined;
  /** The longest part of the downtime. */
  readonly longestPart?: string | undefined;
  readonly precopyIterations: number;
  readonly totalBytes: number;
  /** Median over iterations that sent something. */
  readonly bytesPerSecond?: number | undefined;
  /** Highest rate at which pages became dirty in an iteration, as octets a second. */
  readonly dirtyBytesPerSecondMax?: number | undefined;
  /** Octets sent for each octet of memory. */
  readonly amplification?: number | undefined;
  readonly convergence: Convergence;
  readonly stopReason?: string | undefined;
  readonly hotRegions: readonly HotRegion[];
  /** The same in words. */
  readonly sentences: readonly string[];
}

/**
 * Whether each iteration left less to send than the one before: "none" where there was no
 * iteration to compare with, "stalled" where the least of the second half was no less than that of
 * the first.
 */
export type Convergence = "none" | "converged" | "stalled";

/** What a run came to, in figures and in words. */
export function summarise(run: ReportRun): RunSummary {
  const precopy = run.iterations.filter(({ phase }) => phase === "precopy");
  const rates = run.iterations
    .filter(({ pagesSent, bytesPerSecond }) => pagesSent > 0 && bytesPerSecond > 0)
    .map(({ bytesPerSecond }) => bytesPerSecond);
  const dirty = precopy.map(({ dirtyPagesPerSecond }) => dirtyPagesPerSecond * PAGE_BYTES);
  const { memoryBytes, totalBytes, downtime } = run;
  const summary = {
    label: run.label,
    operation: run.operation,
    outcome: run.outcome,
    errorCode: run.errorCode,
    guest: run.guestName,
    memoryBytes,
    totalMs: run.totalMs,
    downtimeMs: downtime?.totalMs,
    longestPart: longestPart(run)?.name,
    precopyIterations: precopy.length,
    totalBytes,
    bytesPerSecond: rates.length === 0 ? undefined : medianOf(rates),
    dirtyBytesPerSecondMax: dirty.length === 0 ? undefined : Math.max(...dirty),
    amplification:
      memoryBytes === undefined || totalBytes === 0 ? undefined : totalBytes / memoryBytes,
    convergence: convergenceOf(precopy),
    stopReason: run.stopReason,
    hotRegions: run.heat === undefined ? [] : hotRegions(run.heat),
  } as const;
  return { ...summary, sentences: sentencesOf(run, summary, precopy) };
}

function longestPart({ downtime }: ReportRun): { name: string; ms: number } | undefined {
  if (downtime === undefined) {
    return undefined;
  }
  const parts = DOWNTIME_PARTS.map(({ key, name }) => ({ name, ms: downtime[key] }));
  return parts.reduce((longest, part) => (part.ms > longest.ms ? part : longest));
}

/** The second half's least must be below this share of the first's. */
const GAIN_SHARE = 0.95;

function convergenceOf(precopy: readonly TimedIteration[]): Convergence {
  const left = precopy.flatMap(({ dirtyPagesAtEnd }) =>
    dirtyPagesAtEnd === "unknown" ? [] : [dirtyPagesAtEnd],
  );
  const planned = precopy[0]?.pagesPlanned;
  if (left.length === 0 || planned === undefined) {
    return "none";
  }
  const series = [planned, ...left];
  const middle = Math.ceil(series.length / 2);
  const [before, after] = [series.slice(0, middle), series.slice(middle)];
  return Math.min(...after) < Math.min(...before) * GAIN_SHARE ? "converged" : "stalled";
}

type Figures = Omit<RunSummary, "sentences">;

function sentencesOf(
  run: ReportRun,
  figures: Figures,
  precopy: readonly TimedIteration[],
): readonly string[] {
  return [
    whatHappened(run),
    downtimeSentence(run),
    ...precopySentences(figures, precopy),
    stopSentence(run),
    trafficSentence(figures),
    hotSentence(run, figures),
    clockSentence(run),
  ].filter((sentence) => sentence !== "");
}

const PAST: Readonly<Record<ReportRun["operation"], string>> = {
  save: "was saved to",
  restore: "was restored from",
  migrate: "was migrated to",
  receive: "was received from",
};

function whatHappened(run: ReportRun): string {
  const { guestName, memoryBytes, operation, totalMs, outcome, errorCode } = run;
  const destination = placeOf(run);
  const size = memoryBytes === undefined ? "" : ` (${formatBytes(memoryBytes)})`;
  const code = errorCode === undefined ? "" : ` with ${errorCode}`;
  return outcome === "completed"
    ? `${guestName}${size} ${PAST[operation]} ${destination} in ${formatMs(totalMs)}.`
    : `The ${operation} of ${guestName}${size}, ${destination}, failed after ` +
        `${formatMs(totalMs)}${code}.`;
}

/** Where it went; a whole command line would not be read. */
function placeOf({ operation, destination }: ReportRun): string {
  const isCommand = operation === "migrate" && /\s/.test(destination);
  return isCommand ? "a receiver that a command started" : destination;
}

function downtimeSentence(run: ReportRun): string {
  const { downtime, totalMs } = run;
  const longest = longestPart(run);
  if (downtime === undefined || longest === undefined) {
    return "";
  }
  const share = percent(downtime.totalMs / Math.max(totalMs, downtime.totalMs));
  const part = percent(longest.ms / downtime.totalMs);
  return (
    `It stood still for ${formatMs(downtime.totalMs)}, ${share} of that; the longest part was ` +
    `${longest.name}: ${formatMs(longest.ms)}, ${part}.`
  );
}

function precopySentences(
  { convergence, dirtyBytesPerSecondMax, bytesPerSecond }: Figures,
  precopy: readonly TimedIteration[],
): readonly string[] {
  const last = precopy.at(-1);
  if (last === undefined || last.dirtyPagesAtEnd === "unknown") {
    return [];
  }
  const first = precopy[0]!.pagesPlanned;
  const [from, to] = [formatCount(first), formatCount(last.dirtyPagesAtEnd)];
  const times = precopy.length === 1 ? "One iteration" : `${precopy.length} iterations`;
  const went = `${times} while it ran brought what was left from ${from} to ${to} pages`;
  const rates =
    bytesPerSecond === undefined || dirtyBytesPerSecondMax === undefined
      ? ""
      : `Pages were sent at ${formatRate(bytesPerSecond)} (median) and became dirty at up to ` +
        `${formatRate(dirtyBytesPerSecondMax)}.`;
  return [
    convergence === "stalled"
      ? `${went}, and the later ones gained nothing: it did not converge.`
      : `${went}.`,
    rates,
  ];
}

function stopSentence({ stopReason }: ReportRun): string {
  return stopReason === undefined ? "" : `Pre-copy ended because: ${stopReason}.`;
}

function trafficSentence({ totalBytes, amplification }: Figures): string {
  return amplification === undefined
    ? ""
    : `${formatBytes(totalBytes)} were sent, ${amplification.toFixed(2)} times the guest's memory.`;
}

function hotSentence({ heat }: ReportRun, { hotRegions: regions }: Figures): string {
  const [hottest] = regions;
  if (heat === undefined) {
    return "";
  }
  if (hottest === undefined) {
    return "No part of memory was written much more often than the rest.";
  }
  const all = regions.reduce((sum, { dirtyShare }) => sum + dirtyShare, 0);
  const room = regions.reduce((sum, { memoryShare }) => sum + memoryShare, 0);
  const where = regions.length === 1 ? "one region" : `${regions.length} regions`;
  return (
    `${percent(all)} of the pages that had to be sent again lie in ${where} with ` +
    `${percent(room)} of memory, from ${formatPfn(hottest.firstPfn)} on most of all.`
  );
}

function clockSentence({ clock }: ReportRun): string {
  switch (clock?.method) {
    case "round trips":
      return `The target's clock is known to ±${formatMs(clock.uncertaintyMs ?? 0)}.`;
    case "arrival":
      return "The target's clock is known by when its reports came.";
    default:
      return "";
  }
}

/** "frame 0x1000". */
export function formatPfn(pfn: number): string {
  return `frame 0x${pfn.toString(16)}`;
}

/** "12 %", or "0.12 %" where that is less than one. */
export function percent(share: number): string {
  const value = Number.isFinite(share) ? share * 100 : 0;
  return `${value !== 0 && value < 1 ? value.toPrecision(2) : value.toFixed(0)} %`;
}
