/** Results as text: a line a cell, the matrix as a Markdown table, and what failed. */
import { type Cell, type CellResult, COLUMNS } from "./matrix.ts";

export function renderResult({ cell, outcome, reason, facts, tookS }: CellResult): string {
  const told = Object.entries(facts).map(([name, value]) => ` ${name}=${value}`);
  const why = reason === undefined ? "" : `: ${reason}`;
  return `  ${outcome} ${cell}, ${tookS} s${why}${told.join("")}`;
}

/** Rows as they come; a column for each kind of guest among the cells. */
export function renderTable(cells: readonly Cell[], results: readonly CellResult[]): string {
  const columns = COLUMNS.filter(({ name }) => cells.some(({ column }) => column.name === name));
  const rows = [...new Map(cells.map(({ row }) => [row.name, row])).values()];
  const textOf = (name: string) => cellText(results.find(({ cell }) => cell === name));
  return table([
    ["", ...columns.map(({ about }) => about)],
    ...rows.map((row) => [
      row.about,
      ...columns.map((column) => textOf(`${row.name}/${column.name}`)),
    ]),
  ]);
}

/** Of each cell that did not pass, or not at once. */
export function renderReasons(results: readonly CellResult[]): string {
  const second = results
    .filter(({ facts }) => facts.failedFirst !== undefined)
    .map(({ cell, facts }) => `${cell} passed when run again; first: ${facts.failedFirst}\n`);
  return [...second, ...failures(results)].join("");
}

function failures(results: readonly CellResult[]): readonly string[] {
  return results
    .filter(({ outcome }) => outcome !== "passed")
    .map(({ cell, outcome, reason, logs }) => {
      const where = logs === undefined ? "" : `\n  logs in ${logs}`;
      return `${cell} ${outcome}: ${reason}${where}\n`;
    });
}

function cellText(result: CellResult | undefined): string {
  if (result === undefined) {
    return "";
  }
  const { outcome, facts, tookS } = result;
  if (outcome !== "passed") {
    return outcome === "failed" ? "FAILED" : outcome;
  }
  const ratios = Object.entries(facts)
    .filter(([name]) => name.endsWith("Ratio"))
    .map(([name, value]) => `${name.replace(/Ratio$/, "")} ${value}×`);
  return ratios.length > 0 ? ratios.join(", ") : `✓ ${Math.round(tookS)} s`;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((text, column) => text.padEnd(widths[column]!)).join(" | ")} |\n`;
  const [head, ...body] = rows;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|\n`;
  return [line(head!), rule, ...body.map(line)].join("");
}
