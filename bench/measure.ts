import { Bench } from "tinybench";
import { selectEngine } from "#dist/engine/select.js";
import type { EngineName } from "#dist/engine/types.js";
import type { BenchCase } from "./case.ts";

/** How long one task took, and how sure that is. */
export interface Timing {
  readonly name: string;
  /** Median and least milliseconds of a run. */
  readonly medianMs: number;
  readonly leastMs: number;
  /** Half the width of the 95 % confidence interval of the mean, in percent of it. */
  readonly marginPercent: number;
  readonly runs: number;
  /** From the median. */
  readonly gigabytesPerSecond: number;
}

/** One case on one engine, beside its baselines. */
export interface Measurement {
  readonly case: string;
  readonly engine: EngineName;
  readonly variants: Readonly<Record<string, string>>;
  readonly timing: Timing;
  readonly baselines: readonly Timing[];
}

/** Times a case and its baselines in this process; its result has been checked before. */
export function measure(benchCase: BenchCase, engineName: EngineName, timeMs: number): Measurement {
  const { engine } = selectEngine(engineName);
  const { run, baselines } = benchCase.prepare(engine);
  const bench = new Bench({ time: timeMs, warmupTime: timeMs / 4, iterations: 8, throws: true });
  bench.add(engine.name, run);
  for (const baseline of baselines) {
    bench.add(baseline.name, baseline.run);
  }
  const [timing, ...others] = bench.runSync().map(({ name, result }): Timing => {
    if (result.state !== "completed") {
      throw new Error(`${benchCase.name}: ${name} is ${result.state}`);
    }
    const { p50, min, rme, samplesCount } = result.latency;
    const gigabytesPerSecond = benchCase.bytesPerRun / (p50 * 1e6);
    return {
      name,
      medianMs: p50,
      leastMs: min,
      marginPercent: rme,
      runs: samplesCount,
      gigabytesPerSecond,
    };
  });
  const { name, variants } = engine;
  return { case: benchCase.name, engine: name, variants, timing: timing!, baselines: others };
}
