import type { IterationStatistics } from "../report/profile.ts";

/** Where a save or migration stands. */
export type MigrationPhase =
  | "setup"
  | "precopy"
  | "suspend"
  | "stop-and-copy"
  | "state"
  | "handover"
  | "resume"
  | "done";

/** What happens while a guest is saved, restored or migrated; for displays, profiles and tests. */
export type ProgressEvent =
  | { readonly kind: "phase"; readonly phase: MigrationPhase }
  /** After each batch. Counts are of the running iteration; `bytes` of the whole stream. */
  | {
      readonly kind: "pages";
      readonly iteration: number;
      readonly pagesDone: number;
      readonly pagesPlanned: number;
      readonly bytes: number;
    }
  | { readonly kind: "iteration"; readonly statistics: IterationStatistics }
  /** The policy's decision after an iteration. */
  | { readonly kind: "decision"; readonly action: string; readonly reason: string }
  /** Something else was reached, such as "channel 1 joined". */
  | { readonly kind: "step"; readonly step: string }
  /** Now and then at the receiving end: what has come, of the whole operation. */
  | { readonly kind: "taken"; readonly pages: number; readonly bytes: number };

/** Receives events synchronously; must not throw. */
export type ProgressListener = (event: ProgressEvent) => void;
