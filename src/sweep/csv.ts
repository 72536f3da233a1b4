import type { Sweep } from "../report/sweep-result.ts";

/** A sweep's runs as CSV: a line each, warm-up and bad ones included, with all of their cell. */
export function csvOf({ plan, runs }: Sweep): string {
  const cells = new Map(plan.cells.map((cell) => [cell.id, cell]));
  const rows = runs.map(({ cell: id, figures, ...run }) => {
    const { id: _id, ...cell } = cells.get(id) ?? { id };
    return { cell: id, ...run, ...cell, ...figures } as Readonly<Record<string, unknown>>;
  });
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = rows.map((row) => columns.map((column) => fieldOf(row[column])).join(","));
  return `${[columns.map(fieldOf).join(","), ...lines].join("\r\n")}\r\n`;
}

/** @source RFC 4180; a text that spreadsheets would take for a formula is kept from being one */
function fieldOf(value: unknown): string {
  const text = value === undefined ? "" : String(value);
  const harmless = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replace(/"/g, '""')}"` : harmless;
}
