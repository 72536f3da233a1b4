import { type FileHandle, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { MigrationError } from "../base/errors.ts";
import {
  parseSweepJournal,
  SWEEP_VERSION,
  type Sweep,
  type SweepConditions,
  type SweepPlan,
  type SweepRun,
  sweepSchema,
} from "../report/sweep-result.ts";

/** What is asked for where results are opened. */
export interface ResultsRequest {
  readonly file: string;
  readonly plan: SweepPlan;
  readonly conditions: SweepConditions;
  /** "anew": what is there already is removed. */
  readonly begin: "anew" | "where it ended";
}

/**
 * A sweep's results under way: a journal beside the file that they will have when all is done, to
 * which each run is added at once. A line that was cut off by an end of all power is left out.
 */
export class ResultsFile {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #sweep: Sweep & { readonly runs: SweepRun[] };

  private constructor(file: string, handle: FileHandle, sweep: Sweep) {
    this.#file = file;
    this.#handle = handle;
    this.#sweep = { ...sweep, runs: [...sweep.runs] };
  }

  /**
   * Opens the results of a plan, those of before included where they are of the same plan.
   *
   * @throws MigrationError BENCH_RESULTS they are of another plan, machine or version, or damaged;
   *   TRANSPORT_OPEN
   */
  static async open(request: ResultsRequest): Promise<ResultsFile> {
    const { file, plan, conditions, begin } = request;
    const journal = journalOf(file);
    if (begin === "anew") {
      await rm(journal, { force: true });
    }
    const before = begin === "anew" ? undefined : await previous(request);
    const sweep = before ?? { sweepVersion: SWEEP_VERSION, conditions, plan, runs: [] };
    const { runs, ...head } = sweep;
    const lines = [head, ...runs].map((value) => `${JSON.stringify(value)}\n`);
    return await orOpenError(journal, async () => {
      // Written anew, so that no half of a line is left in the middle.
      await writeFile(`${journal}.new`, lines.join(""));
      await rename(`${journal}.new`, journal);
      return new ResultsFile(file, await open(journal, "a"), sweep);
    });
  }

  /** What there is so far. */
  get sweep(): Sweep {
    return this.#sweep;
  }

  /** Adds a run, durably. */
  async add(run: SweepRun): Promise<void> {
    await this.#handle.appendFile(`${JSON.stringify(run)}\n`);
    await this.#handle.datasync();
    this.#sweep.runs.push(run);
  }

  /** Leaves the journal as it is, to be gone on with. */
  async close(): Promise<void> {
    await this.#handle.close();
  }

  /** Puts all results into the file, and removes the journal. */
  async complete(): Promise<void> {
    await this.#handle.close();
    await orOpenError(this.#file, async () => {
      await writeFile(`${this.#file}.new`, `${JSON.stringify(this.#sweep, null, 1)}\n`);
      await rename(`${this.#file}.new`, this.#file);
      await rm(journalOf(this.#file), { force: true });
    });
  }
}

/** Where results are until all of them are there. */
export function journalOf(file: string): string {
  return `${file}.partial`;
}

/** Results in a file or, where the sweep is not complete, in its journal. */
async function previous({ file, plan, conditions }: ResultsRequest): Promise<Sweep | undefined> {
  const journal = await textOf(journalOf(file));
  const complete = journal === undefined ? await textOf(file) : undefined;
  const found =
    journal !== undefined
      ? { file: journalOf(file), sweep: parseJournal(journal, journalOf(file)) }
      : complete !== undefined
        ? { file, sweep: parseComplete(complete, file) }
        : undefined;
  if (found === undefined) {
    return undefined;
  }
  const { sweep } = found;
  if (!isDeepStrictEqual(sweep.plan, plan)) {
    throw otherResults(found.file, "another sweep");
  }
  if (!isDeepStrictEqual(sweep.conditions.machine, conditions.machine)) {
    throw otherResults(found.file, "another machine, kernel or Node");
  }
  if (sweep.conditions.xenferry !== conditions.xenferry) {
    throw otherResults(found.file, `xenferry ${sweep.conditions.xenferry}`);
  }
  return sweep;
}

function otherResults(file: string, of: string): MigrationError {
  return new MigrationError("BENCH_RESULTS", { file, of });
}

function parseJournal(text: string, file: string): Sweep {
  const sweep = parseSweepJournal(text);
  if (sweep === undefined) {
    throw new MigrationError("BENCH_RESULTS", { file, problem: "it is damaged" });
  }
  return sweep;
}

function parseComplete(text: string, file: string): Sweep {
  try {
    return sweepSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new MigrationError("BENCH_RESULTS", { file, of: "something else" }, error);
  }
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return undefined;
    }
    throw new MigrationError("TRANSPORT_OPEN", { file }, error);
  }
}

async function orOpenError<Result>(file: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw new MigrationError("TRANSPORT_OPEN", { file }, error);
  }
}
