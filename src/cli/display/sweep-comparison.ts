import { formatMs } from "../../report/format.ts";
import { renderTable } from "../../report/render.ts";
import { cellNames } from "../../report/sweep-summary.ts";
import type { FigureChange, SweepComparison } from "../../sweep/compare.ts";

const FIGURE_NAMES: Readonly<Record<string, string>> = {
  downtimeMs: "downtime",
  totalMs: "total time",
};

/** What changed between two sweeps, for a terminal. */
export function renderSweepComparison(
  comparison: SweepComparison,
  { before, after }: { readonly before: string; readonly after: string },
): string {
  const { changes, differences, onlyBefore, onlyAfter, bad } = comparison;
  const head = ["cell", "figure", "before", "after", "change", "p", "verdict"];
  const names = cellNames([...new Set(changes.map(({ cell }) => cell))]);
  const real = changes.filter(({ verdict }) => verdict === "less" || verdict === "more").length;
  return [
    `from ${before} to ${after}`,
    ...differences.map((what) => `not the same ${what}`),
    "",
    changes.length === 0
      ? "no cell is in both"
      : renderTable(
          head,
          changes.map((change) => rowOf(change, names.get(change.cell)!)),
        ),
    "",
    `${real} of ${changes.length} figures changed; a change counts where its p, raised for how ` +
      "many figures there are, is below 0.05 (Mann-Whitney; Benjamini-Hochberg)",
    ...onlyBefore.map((cell) => `only in ${before}: ${cell}`),
    ...onlyAfter.map((cell) => `only in ${after}: ${cell}`),
    ...bad.map(({ cell, ...count }) => `bad: ${count.before} then, ${count.after} now: ${cell}`),
  ].join("\n");
}

function rowOf(
  { figure, before, after, pValue, verdict }: FigureChange,
  name: string,
): readonly string[] {
  const share = before === 0 ? undefined : (after / before - 1) * 100;
  return [
    name,
    FIGURE_NAMES[figure] ?? figure,
    formatMs(before),
    formatMs(after),
    share === undefined ? "-" : `${share > 0 ? "+" : ""}${share.toFixed(1)} %`,
    pValue.toFixed(3),
    verdict,
  ];
}
