import Table from "cli-table3";
import { formatBytes, formatCount, formatMs, formatRate } from "./format.ts";
import type { JoinedProfile } from "./joined-profile.ts";
import type { Downtime, IterationStatistics, Profile } from "./profile.ts";

const PLAIN_BORDERS = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "  ",
};

const PAGE_BYTES = 4096;

/**
 * Lays rows out in columns without lines; the first column is left-aligned, the others right.
 *
 * @param rows one string a column each.
 */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: [...head],
    chars: PLAIN_BORDERS,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    colAligns: head.map((_, column) => (column === 0 ? "left" : "right")),
  });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** The table of pre-copy iterations. */
export function renderIterations(iterations: readonly IterationStatistics[]): string {
  const head = [
    "iteration",
    "pages",
    "alloc-only",
    "data",
    "time",
    "rate",
    "dirty at end",
    "dirty rate",
    "log-dirty",
  ];
  return renderTable(head, iterations.map(iterationRow));
}

function iterationRow(entry: IterationStatistics): readonly string[] {
  const isFinal = entry.phase === "stop-and-copy";
  return [
    `${entry.iteration}${isFinal ? " (final)" : ""}`,
    formatCount(entry.pagesSent),
    formatCount(entry.pagesAllocateOnly),
    formatBytes(entry.bytes),
    formatMs(entry.durationMs),
    formatRate(entry.bytesPerSecond),
    entry.dirtyPagesAtEnd === "unknown" ? "-" : formatCount(entry.dirtyPagesAtEnd),
    isFinal ? "-" : formatRate(entry.dirtyPagesPerSecond * PAGE_BYTES),
    isFinal ? "-" : formatMs(entry.logDirtyMs),
  ];
}

/** Downtime and its parts, one line. */
export function renderDowntime(downtime: Downtime): string {
  const parts = [
    ["suspend", downtime.suspendMs],
    ["bitmap harvest", downtime.harvestMs],
    ["final copy", downtime.finalCopyMs],
    ["state", downtime.stateMs],
    ["hand-over", downtime.handoverMs],
    ["resume", downtime.resumeMs],
  ] as const;
  const sum = parts.map(([name, durationMs]) => `${name} ${formatMs(durationMs)}`).join(" + ");
  return `downtime ${formatMs(downtime.totalMs)} = ${sum}`;
}

/** What of a profile is shown. */
type RenderedProfile = Pick<
  Profile,
  "iterations" | "stopReason" | "totalPagesSent" | "totalBytes" | "totalMs"
> & { readonly downtime?: Downtime | undefined };

/** What a finished save, restore or migration did, for a terminal. */
export function renderProfile(profile: RenderedProfile): string {
  const lines: string[] = [];
  if (profile.iterations.length > 0) {
    lines.push(renderIterations(profile.iterations), "");
  }
  if (profile.stopReason !== undefined) {
    lines.push(`stopped because: ${profile.stopReason}`);
  }
  if (profile.downtime !== undefined) {
    lines.push(renderDowntime(profile.downtime));
  }
  const moved = `${formatCount(profile.totalPagesSent)} pages, ${formatBytes(profile.totalBytes)}`;
  lines.push(`total time ${formatMs(profile.totalMs)}, ${moved} sent`);
  return lines.join("\n");
}

/** What a finished migration by `xl` did, for a terminal. */
export function renderJoinedProfile(profile: JoinedProfile): string {
  const { source, downtime, totalMs } = profile;
  const own = source && renderProfile({ ...source, downtime, totalMs });
  return [own ?? `total time ${formatMs(totalMs)}`, renderTarget(profile)].join("\n");
}

function renderTarget({ target, clock }: JoinedProfile): string {
  if (target === undefined) {
    return "target: Xen's own helper, or one that reports nothing";
  }
  const taken = `${formatCount(target.totalPagesSent)} pages, ${formatBytes(target.totalBytes)}`;
  return `target: ${taken} taken in ${formatMs(target.totalMs)}${renderClock(clock)}`;
}

function renderClock(clock: JoinedProfile["clock"]): string {
  switch (clock?.method) {
    case "round trips":
      return `; its clock is known to ±${formatMs(clock.uncertaintyMs ?? 0)}`;
    case "arrival":
      return "; its clock is known by when reports came";
    default:
      return "";
  }
}
