import { readFile } from "node:fs/promises";

/** What all processors did since the machine was booted, in ticks. */
export interface ProcessorTimes {
  readonly all: number;
  /** Taken by the hypervisor for other machines. */
  readonly stolen: number;
}

/** Fields of the line: user, nice, system, idle, iowait, irq, softirq, steal. */
const STEAL_FIELD = 7;

/** Reads them; undefined where there is no Linux. @source proc_stat(5) */
export async function processorTimes(): Promise<ProcessorTimes | undefined> {
  try {
    const [line = ""] = (await readFile("/proc/stat", "utf8")).split("\n");
    const ticks = line.trim().split(/\s+/).slice(1).map(Number);
    const all = ticks.slice(0, STEAL_FIELD + 1).reduce((sum, count) => sum + count, 0);
    return { all, stolen: ticks[STEAL_FIELD] ?? 0 };
  } catch {
    return undefined;
  }
}

/** Share of the time between two readings that was stolen, 0 to 1. */
export function stolenShare(
  before: ProcessorTimes | undefined,
  after: ProcessorTimes | undefined,
): number | undefined {
  if (before === undefined || after === undefined || after.all <= before.all) {
    return undefined;
  }
  const share = (after.stolen - before.stolen) / (after.all - before.all);
  return Math.min(1, Math.max(0, share));
}
