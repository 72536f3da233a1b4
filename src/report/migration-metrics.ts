import { DOWNTIME_PARTS } from "./downtime-parts.ts";
import type { MetricFamily, MetricSample } from "./open-metrics.ts";
import type { IterationStatistics, Profile } from "./profile.ts";
import type { ReportedProgress } from "./report-lines.ts";

const PREFIX = "xenferry_migration_";

/** How much of an iteration must have gone by for its own rate to be told (ms). */
const RATE_WINDOW_MS = 200;

const OUTCOMES = ["running", "completed", "failed"] as const;

/** What is said of an operation when it begins. */
interface Beginning extends Pick<Profile, "operation" | "startedAt" | "target"> {
  readonly startMs: number;
  readonly guest?: string | undefined;
}

/** What is said of it when it ends. */
type Ending = Pick<Profile, "outcome" | "totalMs" | "totalBytes" | "downtime" | "resources"> & {
  readonly guest?: string | undefined;
};

type PagesByFate = Pick<
  IterationStatistics,
  "pagesSent" | "pagesAllocateOnly" | "pagesDeferred" | "pagesUnchanged"
>;

const NO_PAGES: PagesByFate = {
  pagesSent: 0,
  pagesAllocateOnly: 0,
  pagesDeferred: 0,
  pagesUnchanged: 0,
};

/** What metrics say of one save, restore or migration: as it stands, and later as it ended. */
export class MigrationMetrics {
  readonly #beginning: Beginning;
  readonly #isReceiving: boolean;
  #guest: string | undefined;
  #ending: Ending | undefined;
  #reached = "";
  #iterations = 0;
  #fates = NO_PAGES;
  #bytes = 0;
  #pagesTaken = 0;
  #remainingPages: number | undefined;
  /** What the last iteration of the running guest left. */
  #dirty: { readonly pages: number; readonly perSecond: number } | undefined;
  /** Of the iteration under way: its number, and where it began. */
  #current = { iteration: -1, startMs: 0, startBytes: 0 };
  #bytesPerSecond: number | undefined;

  constructor(beginning: Beginning) {
    this.#beginning = beginning;
    this.#guest = beginning.guest;
    this.#isReceiving = beginning.operation === "restore" || beginning.operation === "receive";
  }

  /** The guest's name has come to be known. */
  names(guest: string): void {
    this.#guest = guest;
  }

  /** @param nowMs on the clock of the beginning's `startMs`. */
  sees(event: ReportedProgress, nowMs: number): void {
    switch (event.kind) {
      case "phase":
        this.#reached = event.phase;
        return;
      case "step":
        this.#reached = this.#isReceiving ? event.step : this.#reached;
        return;
      case "pages":
        this.#takePages(event, nowMs);
        return;
      case "taken":
        this.#pagesTaken = event.pages;
        this.#bytes = event.bytes;
        return;
      case "iteration":
        this.#takeIteration(event.statistics);
        return;
      case "decision":
        return;
    }
  }

  ends(ending: Ending): void {
    this.#ending = ending;
    this.#guest ??= ending.guest;
    this.#bytes = Math.max(this.#bytes, ending.totalBytes);
  }

  /**
   * All there is to say now; nothing as long as it is not known whose metrics these are.
   *
   * @param nowMs as of `sees`.
   */
  families(nowMs: number): readonly MetricFamily[] {
    if (this.#guest === undefined && this.#ending === undefined) {
      return [];
    }
    const { target } = this.#beginning;
    return [
      this.#gauge("info", "What the metrics are of.", [{ labels: { target }, value: 1 }]),
      ...this.#progressFamilies(nowMs),
      ...(this.#isReceiving ? this.#intakeFamilies() : this.#transferFamilies()),
      ...this.#downtimeFamilies(),
      ...this.#resourceFamilies(),
    ];
  }

  #takePages(
    { iteration, pagesDone, pagesPlanned, bytes }: Extract<ReportedProgress, { kind: "pages" }>,
    nowMs: number,
  ): void {
    if (iteration !== this.#current.iteration) {
      this.#current = { iteration, startMs: nowMs, startBytes: this.#bytes };
    }
    this.#bytes = bytes;
    this.#remainingPages = Math.max(0, pagesPlanned - pagesDone);
    const { startMs, startBytes } = this.#current;
    if (nowMs - startMs >= RATE_WINDOW_MS) {
      this.#bytesPerSecond = ((bytes - startBytes) * 1000) / (nowMs - startMs);
    }
  }

  #takeIteration(statistics: IterationStatistics): void {
    const before = this.#fates;
    this.#iterations++;
    const { dirtyPagesAtEnd, dirtyPagesPerSecond, bytesPerSecond } = statistics;
    if (dirtyPagesAtEnd === "unknown") {
      this.#remainingPages = 0;
      this.#bytesPerSecond ??= bytesPerSecond;
    } else {
      this.#remainingPages = dirtyPagesAtEnd;
      this.#bytesPerSecond = bytesPerSecond;
      this.#dirty = { pages: dirtyPagesAtEnd, perSecond: dirtyPagesPerSecond };
    }
    this.#fates = {
      pagesSent: before.pagesSent + statistics.pagesSent,
      pagesAllocateOnly: before.pagesAllocateOnly + statistics.pagesAllocateOnly,
      pagesDeferred: before.pagesDeferred + statistics.pagesDeferred,
      pagesUnchanged: before.pagesUnchanged + statistics.pagesUnchanged,
    };
  }

  #progressFamilies(nowMs: number): readonly MetricFamily[] {
    const { startedAt, startMs } = this.#beginning;
    const now = this.#ending?.outcome ?? "running";
    const phase = this.#reached === "" ? [] : [{ labels: { phase: this.#reached }, value: 1 }];
    const outcomes = OUTCOMES.map((outcome) => ({
      labels: { outcome },
      value: outcome === now ? 1 : 0,
    }));
    const elapsedMs = this.#ending?.totalMs ?? nowMs - startMs;
    return [
      this.#gauge("outcome", "1 at how the operation stands.", outcomes),
      this.#gauge("phase", "1 at the phase, or the step of a receiver, reached last.", phase),
      this.#seconds("start_time", "When it began, since 1970.", Date.parse(startedAt)),
      this.#seconds("elapsed", "How long it has taken, or took.", elapsedMs),
    ];
  }

  #transferFamilies(): readonly MetricFamily[] {
    const { pagesSent, pagesAllocateOnly, pagesDeferred, pagesUnchanged } = this.#fates;
    const byFate = Object.entries({
      data: pagesSent,
      allocate_only: pagesAllocateOnly,
      deferred: pagesDeferred,
      unchanged: pagesUnchanged,
    }).map(([fate, value]) => ({ labels: { fate }, value }));
    const dirty = this.#dirty;
    return [
      this.#counter("iterations", "Iterations that have ended.", one(this.#iterations)),
      this.#counter("pages", "Pages of ended iterations by what became of them.", byFate),
      this.#bytesFamily("sent", "Octets of stream that were sent."),
      this.#gauge("remaining_pages", "Pages that wait to be sent.", one(this.#remainingPages)),
      this.#gauge("dirty_pages", "Pages dirty when an iteration last ended.", one(dirty?.pages)),
      this.#gauge(
        "dirty_pages_per_second",
        "Pages that the guest dirtied a second, in the last iteration that it ran in.",
        one(dirty?.perSecond),
      ),
      this.#gauge(
        "bandwidth_bytes_per_second",
        "Octets of stream a second, of the iteration under way or of the last one.",
        one(this.#bytesPerSecond),
        "bytes_per_second",
      ),
    ];
  }

  #intakeFamilies(): readonly MetricFamily[] {
    const help = "Pages that came with data.";
    return [
      this.#counter("received_pages", help, one(this.#pagesTaken)),
      this.#bytesFamily("received", "Octets of stream that came."),
    ];
  }

  #downtimeFamilies(): readonly MetricFamily[] {
    const downtime = this.#ending?.downtime;
    if (downtime === undefined) {
      return [];
    }
    const parts = DOWNTIME_PARTS.map(({ key, name }) => ({
      labels: { part: name.replaceAll(/[ -]/g, "_") },
      value: downtime[key] / 1000,
    }));
    const help = "For how long the guest stood still, by part; their sum is the downtime.";
    return [
      this.#seconds("downtime", "For how long the guest stood still.", downtime.totalMs),
      this.#gauge("downtime_part_seconds", help, parts, "seconds"),
    ];
  }

  #resourceFamilies(): readonly MetricFamily[] {
    const used = this.#ending?.resources;
    if (used === undefined) {
      return [];
    }
    const cpu = [
      { labels: { mode: "user" }, value: used.cpuUserMs / 1000 },
      { labels: { mode: "system" }, value: used.cpuSystemMs / 1000 },
    ];
    const help = "Most memory that this process had resident, the guest's that it maps included.";
    return [
      this.#counter("cpu_seconds", "CPU time of this process.", cpu, "seconds"),
      this.#gauge("memory_max_bytes", help, one(used.memoryBytesMax), "bytes"),
    ];
  }

  #bytesFamily(name: string, help: string): MetricFamily {
    return this.#counter(`${name}_bytes`, help, one(this.#bytes), "bytes");
  }

  #seconds(name: string, help: string, milliseconds: number): MetricFamily {
    return this.#gauge(`${name}_seconds`, help, one(milliseconds / 1000), "seconds");
  }

  #gauge(name: string, help: string, samples: Samples, unit?: string): MetricFamily {
    return this.#family({ name, type: "gauge", help, samples, unit });
  }

  #counter(name: string, help: string, samples: Samples, unit?: string): MetricFamily {
    return this.#family({ name, type: "counter", help, samples, unit });
  }

  /** With the labels that set this operation apart from others on the same machine. */
  #family(family: MetricFamily): MetricFamily {
    const common = { operation: this.#beginning.operation, guest: this.#guest ?? "" };
    const samples = family.samples.map(({ labels, value }) => ({
      labels: { ...common, ...labels },
      value,
    }));
    return { ...family, name: `${PREFIX}${family.name}`, samples };
  }
}

type Samples = readonly MetricSample[];

/** A sample without labels of its own; none where there is nothing to say. */
function one(value: number | undefined): Samples {
  return value === undefined ? [] : [{ labels: {}, value }];
}
