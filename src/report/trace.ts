import { DOWNTIME_PARTS } from "./downtime-parts.ts";
import { ITERATION_PART_MEANING, ITERATION_PARTS, partsOf } from "./iteration-parts.ts";
import type { TimedEvent } from "./joined-profile.ts";
import type { ReportRun, Sample, TimedIteration } from "./report-run.ts";

/**
 * One entry of a trace: a span, a moment, a counter's values or a name. Times are in microseconds.
 *
 * @source Trace Event Format, "Complete Events", "Instant Events", "Counter Events", "Metadata
 *   Events"
 */
export interface TraceEvent {
  readonly ph: "X" | "i" | "C" | "M";
  readonly pid: number;
  readonly tid: number;
  readonly name: string;
  readonly ts?: number;
  readonly dur?: number;
  /** Of a moment: on its track alone. */
  readonly s?: "t";
  readonly cat?: string;
  readonly args?: Readonly<Record<string, string | number>>;
}

/** What ui.perfetto.dev and chrome://tracing open. */
export interface Trace {
  readonly displayTimeUnit: "ms";
  readonly otherData: Readonly<Record<string, string>>;
  readonly traceEvents: readonly TraceEvent[];
}

/** Tracks of a process, in the order in which they are shown. */
const TRACKS = ["phases", "iterations", "parts of iterations", "downtime", "events"] as const;
type Track = (typeof TRACKS)[number];

/** Phases and steps that last until the next one; what else happens is a moment. */
const SPANS: Readonly<Record<"source" | "target", ReadonlySet<string>>> = {
  source: new Set([
    "setup",
    "precopy",
    "suspend",
    "stop-and-copy",
    "state",
    "handover",
    "resume",
    "done",
  ]),
  target: new Set([
    "guest",
    "memory",
    "state",
    "restored",
    "ready",
    "permitted",
    "started",
    "reported",
  ]),
};

const MICROSECONDS = 1000;

/** All runs as one trace: two processes each, source and target, from time 0 on. */
export function traceOf(runs: readonly ReportRun[], xenferry: string): Trace {
  const traceEvents = runs.flatMap((run, index) => [
    ...new EndTrace(run, "source", 2 * index + 1).events(),
    ...new EndTrace(run, "target", 2 * index + 2).events(),
  ]);
  return { displayTimeUnit: "ms", otherData: { xenferry }, traceEvents };
}

/** What one end of a run did; nothing where it told nothing. */
class EndTrace {
  readonly #run: ReportRun;
  readonly #end: "source" | "target";
  readonly #pid: number;
  /** What is added to times, so that none is negative (ms). */
  readonly #shiftMs: number;

  constructor(run: ReportRun, end: "source" | "target", pid: number) {
    this.#run = run;
    this.#end = end;
    this.#pid = pid;
    this.#shiftMs = -Math.min(0, ...run.events.map(({ atMs }) => atMs));
  }

  events(): readonly TraceEvent[] {
    const { operation, iterations, samples, targetSamples = [] } = this.#run;
    const isSource = this.#end === "source";
    const own = this.#run.events.filter(({ by }) => (by === "target") !== isSource);
    const begins = operation === "save" || operation === "migrate" ? "source" : "target";
    const sampled = this.#end === begins ? samples : targetSamples;
    const found = [
      ...this.#happenings(own),
      ...(isSource ? iterations.flatMap((entry) => this.#iteration(entry)) : []),
      ...(isSource ? this.#downtime() : []),
      ...this.#counters(sampled),
      ...(isSource ? this.#dirtyPages(iterations) : []),
    ];
    return found.length === 0 ? [] : [...this.#names(), ...found];
  }

  #names(): readonly TraceEvent[] {
    const { label, guestName, operation } = this.#run;
    const meta = (name: string, tid: number, args: TraceEvent["args"]): TraceEvent => ({
      ph: "M",
      pid: this.#pid,
      tid,
      name,
      args: args!,
    });
    const name = `${this.#end}: ${operation} of ${guestName} (${label})`;
    return [
      meta("process_name", 0, { name }),
      meta("process_sort_index", 0, { sort_index: this.#pid }),
      ...TRACKS.flatMap((track, index) => [
        meta("thread_name", index + 1, { name: track }),
        meta("thread_sort_index", index + 1, { sort_index: index }),
      ]),
    ];
  }

  #happenings(events: readonly TimedEvent[]): readonly TraceEvent[] {
    const spans = events.filter(({ event }) => SPANS[this.#end].has(event));
    const moments = events.filter(({ event }) => !SPANS[this.#end].has(event));
    const endMs = this.#run.totalMs;
    return [
      ...spans.map(({ atMs, event }, index) => {
        const untilMs = spans[index + 1]?.atMs ?? Math.max(atMs, endMs);
        return this.#span("phases", event, { startMs: atMs, durationMs: untilMs - atMs });
      }),
      ...moments.map(({ atMs, event, by }) =>
        this.#moment(by === "xl" ? `xl: ${event}` : event, atMs),
      ),
    ];
  }

  #iteration(entry: TimedIteration): readonly TraceEvent[] {
    const { iteration, phase, startMs, durationMs, dirtyPagesAtEnd } = entry;
    const { pagesSent, pagesAllocateOnly, pagesDeferred, pagesUnchanged, bytes } = entry;
    const name = `iteration ${iteration}${phase === "precopy" ? "" : " (final)"}`;
    const args = {
      ...{ pagesSent, pagesAllocateOnly, pagesDeferred, pagesUnchanged, bytes, dirtyPagesAtEnd },
    };
    const parts = partsOf(entry);
    let nextMs = startMs;
    return [
      this.#span("iterations", name, { startMs, durationMs }, args),
      ...ITERATION_PARTS.flatMap((part) => {
        const partMs = parts.get(part) ?? 0;
        const place = { startMs: nextMs, durationMs: partMs };
        nextMs += partMs;
        const meaning = { meaning: `${ITERATION_PART_MEANING[part]}; added up` };
        return partMs > 0 ? [this.#span("parts of iterations", part, place, meaning)] : [];
      }),
    ];
  }

  #downtime(): readonly TraceEvent[] {
    const { downtime, suspendAtMs } = this.#run;
    if (downtime === undefined || suspendAtMs === undefined) {
      return [];
    }
    let nextMs = suspendAtMs;
    return DOWNTIME_PARTS.map(({ key, name, meaning }) => {
      const place = { startMs: nextMs, durationMs: downtime[key] };
      nextMs += downtime[key];
      return this.#span("downtime", name, place, { meaning });
    });
  }

  /** Bandwidth holds from one sample to the next. */
  #counters(samples: readonly Sample[]): readonly TraceEvent[] {
    return samples.flatMap(({ atMs, bytes, pages }, index) => {
      const next = samples[index + 1];
      const overMs = next === undefined ? 0 : next.atMs - atMs;
      const megabytes = next === undefined || overMs <= 0 ? 0 : (next.bytes - bytes) / overMs / 1e3;
      return [
        this.#counter("bandwidth (MB/s)", atMs, megabytes),
        this.#counter("pages", atMs, pages),
      ];
    });
  }

  #dirtyPages(iterations: readonly TimedIteration[]): readonly TraceEvent[] {
    return iterations.flatMap(({ startMs, durationMs, dirtyCurve = [], dirtyPagesAtEnd }) => [
      this.#counter("dirty pages", startMs, 0),
      ...dirtyCurve.map(({ atMs, dirtyPages }) =>
        this.#counter("dirty pages", startMs + atMs, dirtyPages),
      ),
      ...(dirtyPagesAtEnd === "unknown"
        ? []
        : [this.#counter("dirty pages", startMs + durationMs, dirtyPagesAtEnd)]),
    ]);
  }

  #span(
    track: Track,
    name: string,
    { startMs, durationMs }: { readonly startMs: number; readonly durationMs: number },
    args?: TraceEvent["args"],
  ): TraceEvent {
    const dur = durationMs * MICROSECONDS;
    return { ph: "X", ...this.#at(track, name, startMs), dur, ...(args && { args }) };
  }

  #moment(name: string, atMs: number): TraceEvent {
    return { ph: "i", ...this.#at("events", name, atMs), s: "t" };
  }

  #counter(name: string, atMs: number, value: number): TraceEvent {
    const { pid, ts } = this.#at("events", name, atMs);
    return { ph: "C", pid, tid: 0, name, ts, args: { value } };
  }

  #at(track: Track, name: string, atMs: number) {
    const tid = TRACKS.indexOf(track) + 1;
    const ts = (atMs + this.#shiftMs) * MICROSECONDS;
    return { pid: this.#pid, tid, name, cat: track, ts };
  }
}
