import type { Clock } from "../../base/clock.ts";
import type { ProgressEvent } from "../../migration/progress.ts";
import { MigrationMetrics } from "../../report/migration-metrics.ts";
import { encodeMetrics, type MetricsFormat } from "../../report/open-metrics.ts";
import type { Beginning, Ending } from "./onlooker.ts";

/** Keeps what metrics say: of the operation under way, or of the last one. */
export class MetricsKeeper {
  readonly #clock: Clock;
  #metrics: MigrationMetrics | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begins(beginning: Beginning): void {
    this.#metrics = new MigrationMetrics(beginning);
  }

  names(guest: string): void {
    this.#metrics?.names(guest);
  }

  sees(event: ProgressEvent): void {
    this.#metrics?.sees(event, this.#clock.nowMs());
  }

  ends(ending: Ending): void {
    this.#metrics?.ends(ending);
  }

  /** All there is to say now. */
  text(format: MetricsFormat): string {
    return encodeMetrics(this.#metrics?.families(this.#clock.nowMs()) ?? [], format);
  }
}
