import { Presets, SingleBar } from "cli-progress";
import { PAGE_BYTES } from "../../base/units.ts";
import type { ProgressEvent, ProgressListener } from "../../migration/progress.ts";
import { formatBytes, formatCount, formatMs, formatRate } from "../../report/format.ts";
import type { IterationStatistics } from "../../report/profile.ts";

/** A display of progress events; `stop` leaves the terminal as it was found. */
export interface ProgressDisplay {
  readonly listener: ProgressListener;
  stop(): void;
}

/** Shows nothing. */
export const silentDisplay: ProgressDisplay = { listener: () => undefined, stop: () => undefined };

/** Chooses a bar for a terminal and a line for each iteration otherwise. */
export function createDisplay(stream: NodeJS.WriteStream): ProgressDisplay {
  return stream.isTTY ? barDisplay(stream) : lineDisplay(stream);
}

/** How long a line may wait to be written (ms): longer than a guest stands still. */
const LINE_DELAY_MS = 100;

/** Writing takes time, and a guest may stand still: lines are written a little later, together. */
function lineDisplay(stream: NodeJS.WritableStream): ProgressDisplay {
  const lines: string[] = [];
  let writing: NodeJS.Timeout | undefined;
  const write = () => {
    clearTimeout(writing);
    writing = undefined;
    stream.write(lines.splice(0).join(""));
  };
  return {
    listener: (event) => {
      const line = lineOf(event);
      if (line !== undefined) {
        lines.push(`${line}\n`);
        writing ??= setTimeout(write, LINE_DELAY_MS);
      }
    },
    stop: write,
  };
}

function lineOf(event: ProgressEvent): string | undefined {
  switch (event.kind) {
    case "phase":
      return `phase: ${event.phase}`;
    case "iteration":
      return iterationLine(event.statistics);
    case "decision":
      return `policy: ${event.action} (${event.reason})`;
    case "step":
      return event.step;
    case "pages":
    case "taken":
      return undefined;
  }
}

function iterationLine(entry: IterationStatistics): string {
  const sent = `${formatCount(entry.pagesSent)} pages, ${formatBytes(entry.bytes)}`;
  const pace = `${formatMs(entry.durationMs)}, ${formatRate(entry.bytesPerSecond)}`;
  const dirty =
    entry.dirtyPagesAtEnd === "unknown"
      ? "final"
      : `${formatCount(entry.dirtyPagesAtEnd)} dirty (${dirtyRate(entry)})`;
  return `iteration ${entry.iteration}: ${sent} in ${pace}; ${dirty}`;
}

function dirtyRate(entry: IterationStatistics): string {
  return formatRate(entry.dirtyPagesPerSecond * PAGE_BYTES);
}

const BAR_FORMAT =
  "iteration {iteration} [{bar}] {percentage}% | {value}/{total} pages | {rate} | dirty {dirty}";

/** How often the bar may be redrawn (a second). */
const BAR_FPS = 12;

function barDisplay(stream: NodeJS.WriteStream): ProgressDisplay {
  const options = { stream, format: BAR_FORMAT, fps: BAR_FPS, hideCursor: true, barsize: 28 };
  const bar = new SingleBar(options, Presets.legacy);
  const state = { iteration: -1, rate: "-", dirty: "-", startMs: 0, startBytes: 0 };
  const payload = () => ({ iteration: state.iteration, rate: state.rate, dirty: state.dirty });
  return {
    listener: (event) => {
      if (event.kind === "pages") {
        advance(bar, state, event);
        bar.update(event.pagesDone, payload());
      } else if (event.kind === "iteration") {
        state.rate = formatRate(event.statistics.bytesPerSecond);
        state.dirty = dirtyRate(event.statistics);
        bar.update(payload());
      }
    },
    stop: () => bar.stop(),
  };
}

interface BarState {
  iteration: number;
  rate: string;
  startMs: number;
  startBytes: number;
}

function advance(
  bar: SingleBar,
  state: BarState,
  event: Extract<ProgressEvent, { kind: "pages" }>,
): void {
  const nowMs = performance.now();
  if (event.iteration !== state.iteration) {
    if (state.iteration < 0) {
      bar.start(event.pagesPlanned, 0, { iteration: 0, rate: "-", dirty: "-" });
    }
    bar.setTotal(event.pagesPlanned);
    state.iteration = event.iteration;
    state.startMs = nowMs;
    state.startBytes = event.bytes;
  } else if (nowMs > state.startMs) {
    state.rate = formatRate(((event.bytes - state.startBytes) * 1000) / (nowMs - state.startMs));
  }
}
