import type { Clock } from "../../base/clock.ts";
import type { ProgressEvent } from "../../migration/progress.ts";
import { EVENTS_VERSION, type EventLine } from "../../report/event-lines.ts";
import { LineOutlet } from "../../transport/line-outlet.ts";
import type { Beginning, Ending, Onlooker } from "./onlooker.ts";
import { StandStill } from "./stand-still.ts";

/** Time between two events on pages (ms). */
const PAGES_INTERVAL_MS = 100;

/** For how long a reader that does not read is waited for in the end (ms). */
const PATIENCE_MS = 2000;

/** Writes events as lines of JSON. A guest that stands still does not wait for it. */
export class EventWriter implements Onlooker {
  readonly #clock: Clock;
  readonly #outlet: LineOutlet;
  readonly #standStill: StandStill;
  readonly #lines: EventLine[] = [];
  #startMs = 0;
  #pagesMs = Number.NEGATIVE_INFINITY;

  private constructor(clock: Clock, outlet: LineOutlet) {
    this.#clock = clock;
    this.#outlet = outlet;
    this.#standStill = new StandStill(() => this.#flush());
  }

  /**
   * @param target a file, a named pipe, or '-' for standard output.
   * @throws MigrationError TRANSPORT_OPEN
   */
  static async open(target: string, clock: Clock): Promise<EventWriter> {
    return new EventWriter(clock, await LineOutlet.open(target));
  }

  listens(address: string): void {
    this.#tell({ event: "listening", address });
  }

  begins({ startMs, operation, startedAt, target, guest, clock }: Beginning): void {
    this.#startMs = startMs;
    const started = { event: "started", atMs: 0, eventsVersion: EVENTS_VERSION } as const;
    this.#tell({ ...started, operation, startedAt, target, guest, clock });
  }

  names(): void {}

  sees(event: ProgressEvent): void {
    const nowMs = this.#clock.nowMs();
    this.#standStill.sees(event);
    if (event.kind === "pages" || event.kind === "taken") {
      if (nowMs - this.#pagesMs < PAGES_INTERVAL_MS) {
        return;
      }
      this.#pagesMs = nowMs;
    }
    this.#tell(lineOf(event, nowMs - this.#startMs));
  }

  ends(ending: Ending): void {
    const atMs = this.#clock.nowMs() - this.#startMs;
    const { leftOut } = this.#outlet;
    this.#tell({ event: "ended", atMs, ...ending, ...(leftOut > 0 && { leftOut }) });
    this.#flush();
  }

  async close(): Promise<void> {
    this.#standStill.stop();
    this.#flush();
    await this.#outlet.close(PATIENCE_MS);
  }

  #tell(line: EventLine): void {
    this.#lines.push(line);
    this.#standStill.schedule();
  }

  #flush(): void {
    for (const line of this.#lines.splice(0)) {
      const isLight = line.event === "progress" || line.event === "taken";
      this.#outlet.write(JSON.stringify(line), isLight ? "light" : "heavy");
    }
  }
}

function lineOf(progress: ProgressEvent, atMs: number): EventLine {
  switch (progress.kind) {
    case "phase":
      return { event: "phase", atMs, phase: progress.phase };
    case "pages": {
      const { iteration, pagesDone, pagesPlanned, bytes } = progress;
      return { event: "progress", atMs, iteration, pagesDone, pagesPlanned, bytes };
    }
    case "taken":
      return { event: "taken", atMs, pages: progress.pages, bytes: progress.bytes };
    case "iteration":
      return { event: "iteration", atMs, statistics: progress.statistics };
    case "decision":
      return { event: "decision", atMs, action: progress.action, reason: progress.reason };
    case "step":
      return { event: "step", atMs, step: progress.step };
  }
}
