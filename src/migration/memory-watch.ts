import type { Clock } from "../base/clock.ts";
import type { PageEngine } from "../engine/types.ts";
import type { LogDirty, SourceMemory } from "../guest/types.ts";
import type { DirtyCurve, Heat, IterationStatistics } from "../report/profile.ts";
import { DirtySampler } from "./dirty-sampler.ts";
import { HeatMap } from "./heat.ts";
import type { IterationWatch } from "./precopy.ts";

interface Parts {
  readonly guest: {
    readonly memory: Pick<SourceMemory, "pfnCount">;
    readonly logDirty: Pick<LogDirty, "peekDirty">;
  };
  readonly engine: PageEngine;
  readonly clock: Clock;
}

/**
 * Sees where pages are dirty in each iteration, and how their number grows in long ones.
 *
 * Bitmaps are copied when an iteration begins and counted while pages are being sent; that of the
 * final iteration when all is over, so that the guest does not stand still for it.
 */
export class MemoryWatch implements IterationWatch {
  readonly #parts: Parts;
  readonly #heat: HeatMap;
  #copy: Uint8Array | undefined;
  /** Iteration whose bitmap has been copied, and not counted. */
  #copied: number | undefined;
  #sampler: DirtySampler | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#heat = new HeatMap(parts.engine, parts.guest.memory.pfnCount);
  }

  begins(iteration: number, dirtyBitmap: Uint8Array, phase: IterationStatistics["phase"]): void {
    this.#count();
    this.#copy ??= new Uint8Array(dirtyBitmap.length);
    this.#copy.set(dirtyBitmap);
    this.#copied = iteration;
    if (phase === "precopy") {
      setImmediate(() => this.#countOf(iteration));
      const { guest, clock } = this.#parts;
      this.#sampler = new DirtySampler(() => guest.logDirty.peekDirty(), clock);
    }
  }

  async ends(): Promise<DirtyCurve> {
    const sampler = this.#sampler;
    this.#sampler = undefined;
    return sampler?.end() ?? [];
  }

  /** Ends whatever is under way, and gives what was seen. */
  async finish(): Promise<Heat> {
    await this.ends();
    this.#count();
    return this.#heat.content();
  }

  /** Counts, unless another iteration has begun since. */
  #countOf(iteration: number): void {
    if (this.#copied === iteration) {
      this.#count();
    }
  }

  #count(): void {
    if (this.#copied !== undefined && this.#copy !== undefined) {
      this.#heat.add(this.#copied, this.#copy);
      this.#copied = undefined;
    }
  }
}
