import { PAGE_BYTES } from "../base/units.ts";
import type { SweepCell } from "./sweep-result.ts";
import type { CellSummary } from "./sweep-summary.ts";

/** Cells that differ in nothing but how fast their guests write, by that rate. */
export interface SweepCurve {
  /** What sets it apart from the other curves. */
  readonly name: string;
  readonly points: readonly { readonly rate: number; readonly summary: CellSummary }[];
}

/** What cells of one curve have in common, each with how it is said. */
const ASPECTS: readonly ((cell: SweepCell) => string)[] = [
  ({ scenario }) => scenario,
  ({ kind }) => kind,
  ({ pattern }) => pattern,
  ({ memoryBytes }) => `${Math.round(memoryBytes / 2 ** 20)} MiB`,
  ({ linkBytesPerSecond }) =>
    linkBytesPerSecond === 0 ? "link unlimited" : `${megabytes(linkBytesPerSecond)} MB/s link`,
  ({ policy }) => policy,
  ({ downtimeTargetMs }) => `target ${downtimeTargetMs} ms`,
  ({ engine }) => engine,
];

/** Puts cells together to curves; names say what is not the same for all curves. */
export function curvesOf(cells: readonly CellSummary[]): readonly SweepCurve[] {
  const groups = new Map<string, CellSummary[]>();
  for (const summary of cells) {
    const key = keyOf(summary.cell);
    groups.set(key, [...(groups.get(key) ?? []), summary]);
  }
  const first = cells[0]?.cell;
  const telling = ASPECTS.filter((aspect) =>
    cells.some(({ cell }) => first !== undefined && aspect(cell) !== aspect(first)),
  );
  return [...groups.values()].map((group) => {
    const aspects = telling.map((aspect) => aspect(group[0]!.cell));
    return {
      name: aspects.length === 0 ? "all" : aspects.join(", "),
      points: group
        .map((summary) => ({ rate: summary.cell.storesPerSecond * PAGE_BYTES, summary }))
        .sort((one, other) => one.rate - other.rate),
    };
  });
}

function keyOf(cell: SweepCell): string {
  return JSON.stringify([...ASPECTS.map((aspect) => aspect(cell)), cell.workingSetPages]);
}

function megabytes(bytes: number): string {
  return String(Math.round(bytes / 1e5) / 10);
}
