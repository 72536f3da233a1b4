import type { ProgressEvent } from "../../migration/progress.ts";
import { replaceFile } from "../../transport/text-file.ts";
import type { Context } from "../context.ts";
import { describeError } from "../exit.ts";
import { MetricsKeeper } from "./metrics-keeper.ts";
import type { Beginning, Ending, Onlooker } from "./onlooker.ts";
import { StandStill } from "./stand-still.ts";

/** How often the file is written while an operation is under way (ms). */
const INTERVAL_MS = 2000;

/** Keeps a file with metrics, for node_exporter's textfile collector or to be read afterwards. */
export class MetricsFile implements Onlooker {
  readonly #file: string;
  readonly #context: Context;
  readonly #keeper: MetricsKeeper;
  readonly #standStill = new StandStill(() => this.#write());
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #hasFailed = false;

  private constructor(file: string, context: Context) {
    this.#file = file;
    this.#context = context;
    this.#keeper = new MetricsKeeper(context.clock);
  }

  /** @throws MigrationError TRANSPORT_OPEN */
  static async open(file: string, context: Context): Promise<MetricsFile> {
    const metrics = new MetricsFile(file, context);
    await replaceFile(file, metrics.#keeper.text("openmetrics"));
    return metrics;
  }

  listens(): void {}

  begins(beginning: Beginning): void {
    this.#keeper.begins(beginning);
    this.#timer = setInterval(() => this.#standStill.schedule(), INTERVAL_MS);
  }

  names(guest: string): void {
    this.#keeper.names(guest);
  }

  sees(event: ProgressEvent): void {
    this.#standStill.sees(event);
    this.#keeper.sees(event);
  }

  ends(ending: Ending): void {
    this.#keeper.ends(ending);
    clearInterval(this.#timer);
    this.#write();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#standStill.stop();
    await this.#writing;
  }

  #write(): void {
    const text = this.#keeper.text("openmetrics");
    this.#writing = this.#writing
      .then(() => replaceFile(this.#file, text))
      .catch((error: unknown) => {
        if (!this.#hasFailed) {
          this.#hasFailed = true;
          this.#context.note(describeError(error, "text"));
        }
      });
  }
}
