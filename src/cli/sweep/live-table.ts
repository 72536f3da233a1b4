import { formatMs } from "../../report/format.ts";
import type { Sweep, SweepRun } from "../../report/sweep-result.ts";
import { renderSweep, type TerminalLook } from "../../report/tty.ts";
import type { SweepTask } from "../../sweep/tasks.ts";

/** Shows a sweep while it runs. */
export interface SweepDisplay {
  begin(task: SweepTask, sweep: Sweep): void;
  ended(run: SweepRun, sweep: Sweep): void;
  stop(): void;
}

/** Lines of a terminal that has not told how many it has. */
const ROWS_USUAL = 24;

/** A table that is drawn anew on a terminal where it fits, else a line for each migration. */
export function sweepDisplay(
  stream: NodeJS.WriteStream,
  { look, total }: { readonly look: TerminalLook; readonly total: number },
): SweepDisplay {
  return stream.isTTY ? liveTable(stream, look, total) : lines(stream, total);
}

/** Shows nothing. */
export const silentSweepDisplay: SweepDisplay = {
  begin: () => undefined,
  ended: () => undefined,
  stop: () => undefined,
};

function lines(stream: NodeJS.WritableStream, total: number): SweepDisplay {
  return {
    ...silentSweepDisplay,
    ended: (run, sweep) => stream.write(`[${sweep.runs.length}/${total}] ${lineOf(run)}\n`),
  };
}

function lineOf({ cell, round, outcome, code, reason, figures }: SweepRun): string {
  const place = round <= 0 ? "warm-up" : `round ${round}`;
  const came =
    outcome === "bad" || figures === undefined
      ? `BAD: ${reason ?? "failed"} [${code ?? "no code"}]`
      : `downtime ${formatMs(figures.downtimeMs)}, total ${formatMs(figures.totalMs)}`;
  return `${cell}, ${place}: ${came}`;
}

function liveTable(stream: NodeJS.WriteStream, look: TerminalLook, total: number): SweepDisplay {
  let drawnLines = 0;
  const draw = (text: string) => {
    const rows = stream.rows ?? ROWS_USUAL;
    const columns = stream.columns ?? look.width;
    const all = text.split("\n").map((line) => line.slice(0, columns - 1));
    // The latest lines count most where not all fit.
    const shown = all.slice(-Math.max(1, rows - 1));
    const up = drawnLines === 0 ? "" : `\x1b[${drawnLines}A`;
    stream.write(`${up}\x1b[J${shown.join("\n")}\n`);
    drawnLines = shown.length;
  };
  return {
    begin: ({ cell, round }, sweep) => {
      const place = round <= 0 ? "warm-up" : `round ${round} of ${sweep.plan.rounds}`;
      const now = `migration ${sweep.runs.length + 1} of ${total}: ${cell.id}, ${place}`;
      draw(`${renderSweep(sweep, look)}\n\n${now}`);
    },
    ended: () => undefined,
    stop: () => {
      if (drawnLines > 0) {
        stream.write(`\x1b[${drawnLines}A\x1b[J`);
        drawnLines = 0;
      }
    },
  };
}
