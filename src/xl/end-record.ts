import type { IterationStatistics, Profile } from "../report/profile.ts";
import type { ReportedError, ReportedProfile, ReportLine } from "../report/report-lines.ts";

/** Lines of text that are kept, the newest. */
const TEXT_LINES_MAX = 40;

/** Iterations that are believed; more than any policy has. */
const ITERATIONS_MAX = 10_000;

/** What is known of one end of a save, restore or migration: what its helper and its xl said. */
export class EndRecord {
  readonly #steps = new Map<string, number>();
  readonly #iterations: IterationStatistics[] = [];
  readonly #text: string[] = [];
  #started: Extract<ReportLine, { event: "started" }> | undefined;
  #ended: Extract<ReportLine, { event: "ended" }> | undefined;
  #profile: ReportedProfile | undefined;

  take(line: ReportLine): void {
    switch (line.event) {
      case "started":
        this.#started ??= line;
        return;
      case "ended":
        this.#ended ??= line;
        return;
      case "step":
        this.#steps.set(line.step.slice(0, 40), line.atMs);
        return;
      case "profile":
        this.#profile ??= line.profile;
        return;
      case "progress":
        if (line.progress.kind === "iteration" && this.#iterations.length < ITERATIONS_MAX) {
          this.#iterations.push(line.progress.statistics);
        }
        return;
      case "transport":
        return;
    }
  }

  takeText(line: string): void {
    this.#text.push(line);
    if (this.#text.length > TEXT_LINES_MAX) {
      this.#text.shift();
    }
  }

  /** Its last lines of text. */
  get text(): readonly string[] {
    return this.#text;
  }

  /** When a helper of ours began; undefined where none spoke. */
  get startedMs(): number | undefined {
    return this.#started?.atMs;
  }

  /** Process of the helper. */
  get pid(): number | undefined {
    return this.#started?.pid;
  }

  get domid(): number | undefined {
    return this.#started?.domid;
  }

  /** When the helper's work was over. */
  get endedMs(): number | undefined {
    return this.#ended?.atMs;
  }

  /** What the helper failed with, cause after cause. */
  get error(): readonly ReportedError[] | undefined {
    return this.#ended?.error;
  }

  /** When its steps were reached, on its machine's clock, in order. */
  get steps(): ReadonlyMap<string, number> {
    return this.#steps;
  }

  /** The helper's own profile; undefined where it had none to give. */
  get profile(): Profile | undefined {
    return this.#profile && { ...this.#profile, iterations: this.#iterations };
  }
}
