import { formatBytes, formatCount, formatMs, formatRate } from "../../report/format.ts";
import {
  ITERATION_PART_MEANING,
  ITERATION_PARTS,
  type IterationPart,
  partsOf,
} from "../../report/iteration-parts.ts";
import type { ReportRun, TimedIteration } from "../../report/report-run.ts";
import { type BarPiece, type BarRow, barChart } from "../bars.ts";
import { element } from "../dom.ts";
import { choice, type Section } from "../section.ts";

/** What of the run's time is shown. */
interface View {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** Iterations one below the other, each where it was in time and with what it consisted of. */
export function iterationsSection(run: ReportRun): Section | undefined {
  if (run.iterations.length === 0) {
    return undefined;
  }
  const views = viewsOf(run);
  const room = element("div", {});
  const show = (index: number) => room.replaceChildren(waterfall(run, views[index]!));
  const { label } = choice(
    "Show",
    views.map(({ name }, index) => [String(index), name]),
    (value) => show(Number(value)),
  );
  show(0);
  const note =
    run.iterationTimes === "put together"
      ? "The profile does not tell when iterations began: they are put one behind the other."
      : undefined;
  return {
    id: "iterations",
    title: "Iterations",
    content: [label, room, note && element("p", { class: "note" }, note)],
  };
}

function viewsOf({ iterations, totalMs, downtime, suspendAtMs }: ReportRun): readonly View[] {
  const endMs = Math.max(
    totalMs,
    ...iterations.map(({ startMs, durationMs }) => startMs + durationMs),
  );
  const second = iterations[1];
  const views = [{ name: "all of it", from: 0, to: endMs }];
  if (second !== undefined && second.startMs < endMs) {
    views.push({ name: "from the second iteration on", from: second.startMs, to: endMs });
  }
  if (downtime !== undefined && suspendAtMs !== undefined) {
    const to = suspendAtMs + downtime.totalMs;
    views.push({ name: "downtime", from: suspendAtMs, to });
  }
  return views;
}

function waterfall(run: ReportRun, view: View): HTMLElement {
  const rows = run.iterations.map(rowOf);
  const downtime = downtimeRow(run);
  const used = ITERATION_PARTS.filter((part) =>
    run.iterations.some((entry) => (partsOf(entry).get(part) ?? 0) > 0),
  );
  return barChart({
    kind: "iterations",
    caption: "Iterations over time, and what each consisted of",
    rows: downtime === undefined ? rows : [...rows, downtime],
    from: view.from,
    to: view.to,
    legend: [
      ...used.map((part) => [fillOf(part), `${part}: ${ITERATION_PART_MEANING[part]}`] as const),
      ...(downtime === undefined ? [] : [[STANDSTILL_FILL, "the guest stands still"] as const]),
    ],
    formatTick: formatMs,
    table: () => iterationTable(run.iterations),
  });
}

const STANDSTILL_FILL = ITERATION_PARTS.length;

function fillOf(part: IterationPart): number {
  return ITERATION_PARTS.indexOf(part);
}

function rowOf(entry: TimedIteration): BarRow {
  let from = entry.startMs;
  const pieces: BarPiece[] = [];
  for (const [part, ms] of partsOf(entry)) {
    if (ms > 0) {
      const title = `iteration ${entry.iteration}, ${part}: ${formatMs(ms)}`;
      pieces.push({ fill: fillOf(part), title, from, to: from + ms });
      from += ms;
    }
  }
  const name =
    entry.phase === "stop-and-copy" ? `${entry.iteration} (final)` : `${entry.iteration}`;
  const value = `${formatMs(entry.durationMs)}, ${formatCount(entry.pagesSent)} pages`;
  return { name, pieces, value };
}

function downtimeRow({ downtime, suspendAtMs }: ReportRun): BarRow | undefined {
  if (downtime === undefined || suspendAtMs === undefined) {
    return undefined;
  }
  const [from, to] = [suspendAtMs, suspendAtMs + downtime.totalMs];
  const value = formatMs(downtime.totalMs);
  const piece = { fill: STANDSTILL_FILL, title: `downtime: ${value}`, from, to };
  return { name: "downtime", pieces: [piece], value };
}

function iterationTable(iterations: readonly TimedIteration[]) {
  const parts = ITERATION_PARTS;
  return {
    head: [
      ...["iteration", "began", "time", "to send", "sent", "alloc-only", "deferred"],
      ...["unchanged", "octets", "rate", "dirty at end", ...parts],
    ],
    rows: iterations.map((entry) => {
      const own = partsOf(entry);
      return [
        entry.phase === "stop-and-copy" ? `${entry.iteration} (final)` : `${entry.iteration}`,
        formatMs(entry.startMs),
        formatMs(entry.durationMs),
        formatCount(entry.pagesPlanned),
        formatCount(entry.pagesSent),
        formatCount(entry.pagesAllocateOnly),
        formatCount(entry.pagesDeferred),
        formatCount(entry.pagesUnchanged),
        formatBytes(entry.bytes),
        formatRate(entry.bytesPerSecond),
        entry.dirtyPagesAtEnd === "unknown" ? "–" : formatCount(entry.dirtyPagesAtEnd),
        ...parts.map((part) => formatMs(own.get(part) ?? 0)),
      ];
    }),
  };
}
