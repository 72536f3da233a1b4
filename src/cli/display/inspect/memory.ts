import { PAGE_BYTES } from "../../../base/units.ts";
import type { Inspection } from "../../../migration/inspect.ts";
import { formatBytes, formatCount } from "../../../report/format.ts";
import { renderTable } from "../../../report/render.ts";

/** Iterations that are printed. */
const ITERATIONS_SHOWN = 40;

/** Entries printed of how often frames were sent. */
const TIMES_SHOWN = 6;

/** What was sent of memory, and what comes of it. */
export function renderMemory(inspection: Inspection): string {
  const { frames, duplicates, page_entries_by_type: byType } = inspection;
  const { entries, distinct, with_memory: withMemory, all_zero: allZero, by_type } = frames;
  const lines = [
    `frames named     ${formatCount(distinct)}, in ${formatCount(entries)} entries`,
    `with memory      ${formatCount(withMemory)} (${formatBytes(withMemory * PAGE_BYTES)})`,
    `all zero         ${formatCount(allZero)}`,
    ...(duplicates === undefined ? [] : [`duplicates       ${formatCount(duplicates)}`]),
    `frames by type   ${typesText(by_type)}`,
    `entries by type  ${typesText(byType)}`,
    `sent at least    ${timesText(frames.sent_at_least_n_times)}`,
  ];
  return `${lines.join("\n")}\n\n${renderIterations(inspection)}`;
}

/** Where in memory there is what. */
export function renderMap({ map }: Inspection): string | undefined {
  if (map.rows.length === 0) {
    return undefined;
  }
  const cellBytes = formatBytes(map.frames_per_cell * PAGE_BYTES);
  const lines = [`each character is ${cellBytes} (${formatCount(map.frames_per_cell)} frames)`];
  let previous: string | undefined;
  for (const { first_pfn: firstPfn, cells } of map.rows) {
    if (cells !== previous) {
      lines.push(`0x${firstPfn.toString(16).padStart(9, "0")} |${cells}|`);
    } else if (lines.at(-1) !== "*") {
      lines.push("*");
    }
    previous = cells;
  }
  const used = new Set(map.rows.flatMap(({ cells }) => [...cells]));
  const legend = Object.entries(map.legend).filter(([symbol]) => used.has(symbol));
  const words = legend.map(
    ([symbol, meaning]) => `${symbol === " " ? "blank" : symbol} ${meaning}`,
  );
  return [...lines, words.join(" · ")].join("\n");
}

function renderIterations({ iterations }: Inspection): string {
  const head = ["iteration", "entries", "with data", "sent before", "at octet"];
  const rows = iterations
    .slice(0, ITERATIONS_SHOWN)
    .map((iteration, index) => [
      `${index}`,
      formatCount(iteration.entries),
      formatCount(iteration.with_data),
      formatCount(iteration.again),
      formatCount(iteration.offset),
    ]);
  const more = iterations.length - rows.length;
  const table = renderTable(head, rows);
  return more === 0 ? table : `${table}\nand ${formatCount(more)} more iterations`;
}

/** Entry n - 1 of `counts`: frames sent n times or more. */
function timesText(counts: readonly number[]): string {
  const words = ["once", "twice"];
  const texts = counts
    .slice(0, TIMES_SHOWN)
    .map((count, index) => `${words[index] ?? `${index + 1} times`} ${formatCount(count)}`);
  return `${texts.join(", ")}${counts.length > TIMES_SHOWN ? ", …" : ""}`;
}

function typesText(counts: Readonly<Record<string, number>>): string {
  const texts = Object.entries(counts).map(([name, count]) => `${name} ${formatCount(count)}`);
  return texts.join(", ");
}
