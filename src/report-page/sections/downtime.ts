import { DOWNTIME_PARTS } from "../../report/downtime-parts.ts";
import { formatMs } from "../../report/format.ts";
import type { Downtime } from "../../report/profile.ts";
import type { ReportRun } from "../../report/report-run.ts";
import { percent } from "../../report/summary.ts";
import { type BarPiece, type BarRow, barChart } from "../bars.ts";
import type { Section } from "../section.ts";

/** Where the time went in which the guest stood still: its parts one after the other. */
export function downtimeSection({ downtime }: ReportRun): Section | undefined {
  if (downtime === undefined) {
    return undefined;
  }
  const pieces = downtimePieces(downtime);
  const rows = pieces.map((piece, index) => ({
    name: DOWNTIME_PARTS[index]!.name,
    pieces: [piece],
    value: formatMs(piece.to - piece.from),
  }));
  const chart = barChart({
    kind: "downtime",
    caption: `Downtime: ${formatMs(downtime.totalMs)} and its parts`,
    rows: [...rows, { name: "all", pieces, value: formatMs(downtime.totalMs) }],
    from: 0,
    to: downtime.totalMs,
    legend: DOWNTIME_PARTS.map(({ name, meaning }, fill) => [fill, `${name}: ${meaning}`]),
    formatTick: formatMs,
    table: () => ({
      head: ["part", "time", "share", "what it is"],
      rows: DOWNTIME_PARTS.map(({ key, name, meaning }) => [
        name,
        formatMs(downtime[key]),
        percent(downtime[key] / downtime.totalMs),
        meaning,
      ]),
    }),
  });
  return { id: "downtime", title: "Downtime", content: [chart] };
}

/** A downtime's parts from 0 on. */
function downtimePieces(downtime: Downtime): readonly BarPiece[] {
  let from = 0;
  return DOWNTIME_PARTS.map(({ key, name }, fill) => {
    const piece = {
      fill,
      title: `${name}: ${formatMs(downtime[key])}`,
      from,
      to: from + downtime[key],
    };
    from = piece.to;
    return piece;
  });
}

/** One bar for a run's downtime, with its parts. */
export function downtimeRow(name: string, downtime: Downtime): BarRow {
  return { name, pieces: downtimePieces(downtime), value: formatMs(downtime.totalMs) };
}
