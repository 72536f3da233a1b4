import { DOWNTIME_PARTS } from "./downtime-parts.ts";
import { printable, wrapWords } from "./fields.ts";
import { formatBytes, formatCount, formatMs, formatRate } from "./format.ts";
import { renderTable } from "./render.ts";
import type { ReportRun } from "./report-run.ts";
import { formatPfn, percent, type RunSummary, summarise } from "./summary.ts";
import type { Sweep } from "./sweep-result.ts";
import {
  type CellSummary,
  cellNames,
  namedRuns,
  runsLeft,
  summariseSweep,
} from "./sweep-summary.ts";

/** What a terminal can show. */
export interface TerminalLook {
  readonly width: number;
  /** "ascii" where the locale knows no other characters. */
  readonly characters: "unicode" | "ascii";
}

const BLOCKS = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"] as const;
const SPARKS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;
const ASCII_SPARKS = [".", ":", "-", "=", "+", "*", "#", "@"] as const;
/** Of many iterations so many are shown at each end. */
const ROWS_AT_ENDS = 10;
const BAR_WIDTH_MIN = 10;
const BAR_WIDTH_MAX = 40;

/** The essentials of a run for a terminal: words, bars of iterations and of downtime's parts. */
export function renderRun(run: ReportRun, look: TerminalLook): string {
  const summary = summarise(run);
  const words = summary.sentences.flatMap((sentence) =>
    wrapWords(printable(sentence).split(" "), look.width),
  );
  return [
    ...words,
    ...iterationBars(run, look),
    ...downtimeBars(run, look),
    ...heatLines(run, summary, look),
  ]
    .map((line) => plain(line, look))
    .join("\n");
}

/** Several runs in a table. */
export function renderRuns(runs: readonly ReportRun[], look: TerminalLook): string {
  const rows = runs
    .map(summarise)
    .map((summary) => [
      printable(summary.label),
      summary.errorCode ?? summary.outcome,
      formatMs(summary.totalMs),
      summary.downtimeMs === undefined ? "-" : formatMs(summary.downtimeMs),
      String(summary.precopyIterations),
      formatBytes(summary.totalBytes),
      summary.bytesPerSecond === undefined ? "-" : formatRate(summary.bytesPerSecond),
    ]);
  const head = ["run", "outcome", "total", "downtime", "iterations", "sent", "sent at"];
  return plain(renderTable(head, rows), look);
}

/** A sweep's medians with bars for downtime, and runs that are to be named. */
export function renderSweep(sweep: Sweep, look: TerminalLook): string {
  const cells = summariseSweep(sweep);
  const most = Math.max(0, ...cells.map(({ figures }) => figures?.downtimeMs.median ?? 0));
  const names = cellNames(cells.map(({ cell }) => cell.id));
  const nameOf = (id: string) => printable(names.get(id) ?? id);
  const rows = cells.map((cell) => [nameOf(cell.cell.id), ...sweepValues(cell, { most, look })]);
  const head = ["cell", "runs", "bad", "downtime", "interval", "total", "iterations", ""];
  const named = namedRuns(sweep).map(
    ({ cell, round, why }) =>
      `${nameOf(cell)}, ${round <= 0 ? "warm-up" : `round ${round}`}: ${printable(why)}`,
  );
  const left = runsLeft(sweep);
  return [
    renderTable(head, rows),
    ...(named.length === 0 ? [] : ["", "bad or disturbed:", ...named.map((line) => `  ${line}`)]),
    ...(left === 0 ? [] : ["", `not complete: ${left} migrations are missing`]),
  ]
    .map((line) => plain(line, look))
    .join("\n");
}

function sweepValues(
  { figures, runs, bad }: CellSummary,
  { most, look }: { readonly most: number; readonly look: TerminalLook },
): readonly string[] {
  if (figures === undefined) {
    return ["0", String(bad), "-", "-", "-", "-", ""];
  }
  const { downtimeMs, totalMs, iterations } = figures;
  return [
    String(runs),
    String(bad),
    formatMs(downtimeMs.median),
    `${formatMs(downtimeMs.low)} – ${formatMs(downtimeMs.high)}`,
    formatMs(totalMs.median),
    String(iterations.median),
    bar(downtimeMs.median / (most || 1), BAR_WIDTH_MIN, look).padEnd(BAR_WIDTH_MIN),
  ];
}

function iterationBars({ iterations }: ReportRun, look: TerminalLook): readonly string[] {
  if (iterations.length === 0) {
    return [];
  }
  const longest = Math.max(...iterations.map(({ durationMs }) => durationMs));
  const width = barWidth(look);
  const rows = iterations.map(({ iteration, phase, durationMs, pagesSent, ...rest }) => [
    `${iteration}${phase === "stop-and-copy" ? " (final)" : ""}`,
    bar(durationMs / (longest || 1), width, look).padEnd(width),
    formatMs(durationMs),
    formatCount(pagesSent),
    formatRate(rest.bytesPerSecond),
    rest.dirtyPagesAtEnd === "unknown" ? "-" : formatCount(rest.dirtyPagesAtEnd),
  ]);
  const head = ["iteration", "", "time", "pages", "rate", "dirty at end"];
  return ["", renderTable(head, folded(rows))];
}

/** The first and the last, and how many there are in between. */
function folded(rows: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const left = rows.length - 2 * ROWS_AT_ENDS;
  return left <= 1
    ? rows
    : [
        ...rows.slice(0, ROWS_AT_ENDS),
        [`${left} more`, "", "", "", "", ""],
        ...rows.slice(-ROWS_AT_ENDS),
      ];
}

function downtimeBars({ downtime }: ReportRun, look: TerminalLook): readonly string[] {
  if (downtime === undefined) {
    return [];
  }
  const width = barWidth(look);
  const rows = DOWNTIME_PARTS.map(({ key, name }) => {
    const share = downtime[key] / (downtime.totalMs || 1);
    return [name, bar(share, width, look).padEnd(width), formatMs(downtime[key]), percent(share)];
  });
  return ["", renderTable(["downtime", "", formatMs(downtime.totalMs), ""], rows)];
}

/** How often each part of memory was to be sent again, in a line, and where it was most. */
function heatLines(
  { heat }: ReportRun,
  { hotRegions }: RunSummary,
  look: TerminalLook,
): readonly string[] {
  if (heat === undefined) {
    return [];
  }
  const columns = Math.min(look.width, 64);
  const sums = Array.from({ length: columns }, () => 0);
  for (const { iteration, dirtyPages } of heat.rows) {
    for (const [cell, pages] of iteration === 0 ? [] : dirtyPages.entries()) {
      sums[Math.floor((cell * columns) / dirtyPages.length)]! += pages;
    }
  }
  const most = Math.max(...sums);
  const steps = look.characters === "unicode" ? SPARKS : ASCII_SPARKS;
  const line = sums.map((sum) =>
    sum === 0 ? " " : steps[Math.min(7, Math.floor((Math.log1p(sum) / Math.log1p(most)) * 8))],
  );
  const regions = hotRegions.map(
    ({ name, firstPfn, lastPfn, dirtyShare }) =>
      `  ${name}: ${formatPfn(firstPfn)} to 0x${lastPfn.toString(16)}, ${percent(dirtyShare)}`,
  );
  return ["", "pages sent again, by frame:", `[${line.join("")}]`, ...regions];
}

function barWidth({ width }: TerminalLook): number {
  return Math.min(BAR_WIDTH_MAX, Math.max(BAR_WIDTH_MIN, width - 60));
}

/** A bar of a share (0 to 1) of so many columns, in eighths where characters allow it. */
function bar(share: number, width: number, { characters }: TerminalLook): string {
  const filled = Math.min(1, Math.max(0, share)) * width;
  if (characters === "ascii") {
    return "#".repeat(Math.round(filled));
  }
  const whole = Math.floor(filled);
  return (BLOCKS[8].repeat(whole) + BLOCKS[Math.round((filled - whole) * 8)]!).trimEnd();
}

/** The few characters of ours that are not ASCII, in ASCII, where that is all there is. */
function plain(text: string, { characters }: TerminalLook): string {
  return characters === "unicode" ? text : text.replace(/–/g, "-").replace(/[^\n\x20-\x7e]/g, "?");
}
