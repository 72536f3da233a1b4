import Table from "cli-table3";
import { renderTable } from "#dist/report/render.js";
import type { Measurement } from "./measure.ts";
import type { CaseResult, Column, ContestantResult, Spread } from "./migration/case.ts";

/** Engine and codec cases, with the ratios to their baselines. */
export function renderMeasurements(measurements: readonly Measurement[]): string {
  const table = new Table({
    head: ["case", "engine", "ms", "±%", "GB/s", "times the speed of"],
    colAligns: ["left", "left", "right", "right", "right", "left"],
    style: { head: [], border: [] },
  });
  for (const { case: name, engine, timing, baselines } of measurements) {
    const ratios = baselines.map(
      (baseline) => `${(baseline.medianMs / timing.medianMs).toFixed(2)} ${baseline.name}`,
    );
    table.push([
      name,
      engine,
      timing.medianMs.toFixed(3),
      timing.marginPercent.toFixed(1),
      timing.gigabytesPerSecond.toFixed(1),
      ratios.join(", "),
    ]);
  }
  return table.toString();
}

/** One case of whole migrations: medians, spreads, ratios, and what was left out. */
export function renderCase(result: CaseResult): string {
  const { contestants, skipped, conclusions = [] } = result;
  const runs = contestants[0]?.runs ?? 0;
  const lines = [`${result.case}: ${result.about}`];
  if (contestants.length > 0) {
    lines.push(`medians of ${runs} runs (least-most)`, "", caseTable(result));
  }
  const missing = skipped.map((reason) => `not measured: ${reason}`);
  return [...lines, ...conclusions, ...missing].join("\n");
}

function caseTable(result: CaseResult): string {
  const { contestants, columns } = result;
  const baselines = contestants.filter(({ name }) => result.baselines.includes(name));
  const hasRemarks = contestants.some(({ remarks }) => Object.keys(remarks).length > 0);
  const head = [
    "",
    ...columns.map((column) => column.head),
    ...baselines.map(({ name }) => `x ${name}`),
    ...(hasRemarks ? ["said"] : []),
  ];
  const rows = contestants.map((contestant) => [
    contestant.name,
    ...columns.map((column) => cell(column, contestant.figures[column.key])),
    ...baselines.map((baseline) => ratio(result, contestant, baseline)),
    ...(hasRemarks ? [remarksOf(contestant)] : []),
  ]);
  return renderTable(head, rows);
}

function cell({ digits }: Column, spread: Spread | undefined): string {
  if (spread === undefined) {
    return "-";
  }
  const [median, least, most] = [spread.median, spread.least, spread.most].map((value) =>
    value.toFixed(digits),
  );
  return least === most ? median! : `${median} (${least}-${most})`;
}

/** How many times as good as the baseline, by the first column. */
function ratio(
  { columns, better }: CaseResult,
  contestant: ContestantResult,
  baseline: ContestantResult,
): string {
  const { key } = columns[0]!;
  const own = contestant.figures[key]?.median;
  const other = baseline.figures[key]?.median;
  if (own === undefined || other === undefined) {
    return "-";
  }
  return (better === "more" ? own / other : other / own).toFixed(2);
}

function remarksOf({ remarks }: ContestantResult): string {
  return Object.entries(remarks)
    .map(([remark, count]) => `${count} ${remark}`)
    .join(", ");
}
