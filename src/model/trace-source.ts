import { PAGE_BYTES } from "../base/units.ts";
import type { IterationStatistics } from "../report/profile.ts";
import { fitDirtyCurve } from "./dirty-curve.ts";
import { curveProcess, type DirtyProcess, workloadProcess } from "./dirty-process.ts";
import type { IterationSource, StopPoint } from "./iteration-source.ts";
import { BARE_COSTS, modelledIterations, streamBytes } from "./modelled.ts";
import type { Trace, TraceIteration } from "./trace.ts";

/** How a trace is simulated. */
export interface TraceOptions {
  /** Octets a second, in place of the trace's; what was recorded is then modelled on it. */
  readonly bytesPerSecond?: number | undefined;
  /** Whether the guest's vCPUs may be slowed down, which what was recorded cannot show. */
  readonly isThrottling?: boolean;
}

/** Why a trace cannot be simulated as it is; undefined where it can. */
export function missingOf(trace: Trace, { bytesPerSecond }: TraceOptions): string | undefined {
  const hasLink = (bytesPerSecond ?? trace.linkBytesPerSecond) !== undefined;
  return hasLink || trace.iterations !== undefined
    ? undefined
    : "linkBytesPerSecond, or --bandwidth";
}

/** Iterations of a trace: as recorded where it can be, else modelled. Each call starts anew. */
export function iterationsOf(trace: Trace, options: TraceOptions = {}): IterationSource {
  const { iterations } = trace;
  const isReplay = options.bytesPerSecond === undefined && options.isThrottling !== true;
  if (iterations !== undefined && isReplay) {
    return new Recorded(unfolded(iterations), trace.handoverMs ?? BARE_COSTS.handoverMs);
  }
  const bytesPerSecond =
    options.bytesPerSecond ?? trace.linkBytesPerSecond ?? recordedRate(iterations ?? []);
  return modelledIterations({
    dataPages: Math.round(
      (iterations?.[0]?.bytes ?? trace.dataBytes ?? trace.memoryBytes) / PAGE_BYTES,
    ),
    emptyPages: 0,
    link: { bytesPerSecond },
    dirty: dirtyProcessOf(trace),
    costs: { ...BARE_COSTS, handoverMs: trace.handoverMs ?? BARE_COSTS.handoverMs },
  });
}

/** How the guest of a trace dirties its memory. */
export function dirtyProcessOf({
  memoryBytes,
  iterations,
  dirtyCurve,
  workload,
}: Trace): DirtyProcess {
  const memoryPages = memoryBytes / PAGE_BYTES;
  if (workload !== undefined) {
    const workingSetPages = Math.max(1, Math.round(workload.workingSetShare * memoryPages));
    return workloadProcess({ ...workload, workingSetPages });
  }
  const windows =
    dirtyCurve ??
    (iterations ?? []).map(({ durationMs, dirtyBytes }) => ({ windowMs: durationMs, dirtyBytes }));
  const points = windows.map(({ windowMs, dirtyBytes }) => ({
    windowMs,
    dirtyPages: dirtyBytes / PAGE_BYTES,
  }));
  return curveProcess(fitDirtyCurve(points, memoryPages));
}

function unfolded(iterations: readonly TraceIteration[]): readonly TraceIteration[] {
  return iterations.flatMap(({ repeat = 1, ...entry }) =>
    Array<TraceIteration>(repeat).fill(entry),
  );
}

/** Octets a second of all iterations together; of none, one. */
function recordedRate(iterations: readonly TraceIteration[]): number {
  const all = unfolded(iterations);
  const bytes = all.reduce((sum, entry) => sum + entry.bytes, 0);
  const durationMs = all.reduce((sum, entry) => sum + entry.durationMs, 0);
  return bytes > 0 ? (bytes * 1000) / durationMs : 1;
}

/** Iterations whose rate the final copy goes at. */
const RECENT = 3;

/** Iterations as they went; where they end, so does the source. */
class Recorded implements IterationSource {
  readonly #entries: readonly TraceIteration[];
  readonly #handoverMs: number;
  #next = 0;
  #elapsedMs = 0;
  #bytes = 0;

  constructor(entries: readonly TraceIteration[], handoverMs: number) {
    this.#entries = entries;
    this.#handoverMs = handoverMs;
  }

  next(): IterationStatistics | undefined {
    const entry = this.#entries[this.#next];
    if (entry === undefined) {
      return undefined;
    }
    const { bytes, durationMs, dirtyBytes } = entry;
    const pages = Math.round(bytes / PAGE_BYTES);
    const dirtyPages = Math.round(dirtyBytes / PAGE_BYTES);
    this.#elapsedMs += durationMs;
    this.#bytes += bytes;
    return {
      iteration: this.#next++,
      phase: "precopy",
      pagesPlanned: pages,
      pagesSent: pages,
      pagesAllocateOnly: 0,
      pagesDeferred: 0,
      pagesUnchanged: 0,
      bytes: Math.round(bytes),
      dirtyPagesAtEnd: dirtyPages,
      scanMs: 0,
      sendMs: durationMs,
      logDirtyMs: 0,
      durationMs,
      bytesPerSecond: (bytes * 1000) / durationMs,
      dirtyPagesPerSecond: (dirtyPages * 1000) / durationMs,
    };
  }

  stopHere(): StopPoint {
    const recent = this.#entries.slice(Math.max(0, this.#next - RECENT), this.#next);
    const finalPages = Math.round((recent.at(-1)?.dirtyBytes ?? 0) / PAGE_BYTES);
    const finalBytes = streamBytes(finalPages);
    const finalCopyMs = (finalBytes * 1000) / recordedRate(recent);
    const downtimeMs = finalCopyMs + this.#handoverMs;
    return {
      finalPages,
      finalBytes,
      finalCopyMs,
      downtimeMs,
      totalMs: this.#elapsedMs + downtimeMs,
      totalBytes: this.#bytes + finalBytes,
    };
  }
}
