import type { Lab } from "./lab.ts";

/** What one run of a contestant came to. */
export interface Run {
  /** By the keys of the case's columns. */
  readonly figures: Readonly<Record<string, number>>;
  /** What it said about itself, for example why the loop ended. */
  readonly remark?: string;
}

/** One way of doing the work of a case. */
export interface Contestant {
  readonly name: string;
  /** Does the work once, in processes of its own. @throws Error where the result is not right. */
  readonly run: () => Promise<Run>;
}

/** One figure of each run. */
export interface Column {
  readonly key: string;
  /** With its unit: "GB/s". */
  readonly head: string;
  readonly digits: number;
}

/** A case made ready. */
export interface PreparedCase {
  /** Take turns; none means that the case cannot run here. */
  readonly contestants: readonly Contestant[];
  /** What is not measured, and why. */
  readonly skipped?: readonly string[];
  readonly dispose?: () => Promise<void>;
}

/** A comparison of whole migrations with each other and with programs of `bench/native`. */
export interface MigrationCase {
  /** For example "migration/downtime". */
  readonly name: string;
  /** What is done, in a line. */
  readonly about: string;
  /** The first one is what ratios are made of. */
  readonly columns: readonly Column[];
  /** Which way the first column is better. */
  readonly better: "more" | "less";
  /** Names of contestants that the others are compared with. */
  readonly baselines: readonly string[];
  /** "one": each contestant runs once, without a warm-up, for there are many of them. */
  readonly rounds?: "one";
  /** What all results together say, a line each. */
  readonly conclude?: (results: readonly ContestantResult[]) => readonly string[];
  readonly prepare: (lab: Lab) => Promise<PreparedCase>;
}

/** The middle, the least and the most of a figure over the runs. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** What a contestant's runs came to. */
export interface ContestantResult {
  readonly name: string;
  readonly runs: number;
  readonly figures: Readonly<Record<string, Spread>>;
  /** Different remarks, each with how many runs made it. */
  readonly remarks: Readonly<Record<string, number>>;
}

/** What a case came to. */
export interface CaseResult {
  readonly case: string;
  readonly about: string;
  readonly columns: readonly Column[];
  readonly better: "more" | "less";
  readonly baselines: readonly string[];
  readonly contestants: readonly ContestantResult[];
  readonly skipped: readonly string[];
  readonly conclusions?: readonly string[];
}
