import type { IterationStatistics, Profile } from "./profile.ts";

/**
 * What stands before the JSON of a report line: whoever reads what a save helper writes to xl's
 * standard error finds reports by it.
 */
export const REPORT_MARK = "xenferry-report: ";

/**
 * Octets that one write to a pipe may have without being mixed with the writes of others, and so
 * the longest report line, mark and line feed included. @source pipe(7), PIPE_BUF
 */
export const REPORT_LINE_BYTES_MAX = 4096;

/** A migration's progress, as `ProgressEvent` of the migration is written in a report. */
export type ReportedProgress =
  | {
      readonly kind: "phase";
      readonly phase:
        | "setup"
        | "precopy"
        | "suspend"
        | "stop-and-copy"
        | "state"
        | "handover"
        | "resume"
        | "done";
    }
  | {
      readonly kind: "pages";
      readonly iteration: number;
      readonly pagesDone: number;
      readonly pagesPlanned: number;
      readonly bytes: number;
    }
  | { readonly kind: "iteration"; readonly statistics: IterationStatistics }
  | { readonly kind: "decision"; readonly action: string; readonly reason: string }
  | { readonly kind: "step"; readonly step: string }
  | { readonly kind: "taken"; readonly pages: number; readonly bytes: number };

/** One link of an error's chain of causes; without a code it is no error of ours. */
export interface ReportedError {
  readonly code?: string | undefined;
  readonly message: string;
  readonly where?: Readonly<Record<string, unknown>> | undefined;
}

/** What a profile is without its iterations, which were reported one by one. */
export type ReportedProfile = Omit<Profile, "iterations">;

/** What happened, of what a save helper reports to the program that started `xl`. */
export type ReportEvent =
  | {
      readonly event: "started";
      readonly operation: "save" | "restore";
      /** SIGTERM to it ends the work, with the guest put back. */
      readonly pid: number;
      readonly domid: number;
    }
  | { readonly event: "progress"; readonly progress: ReportedProgress }
  /** Something was reached, such as "suspended". */
  | { readonly event: "step"; readonly step: string }
  | { readonly event: "profile"; readonly profile: ReportedProfile }
  /** The work is over; `error` says that it failed, and with what. */
  | { readonly event: "ended"; readonly error?: readonly ReportedError[] | undefined }
  /** Not a helper's: the process that leads to the other end, before it becomes that. */
  | { readonly event: "transport"; readonly pid: number };

/** An event with its time on the monotonic clock of the reporter's machine. */
export type ReportLine = ReportEvent & { readonly atMs: number };

/** A report as it is written, with its line feed; undefined if it is too long to be. */
export function encodeReport(line: ReportLine): string | undefined {
  const text = `${REPORT_MARK}${JSON.stringify(line, asText)}\n`;
  return Buffer.byteLength(text) <= REPORT_LINE_BYTES_MAX ? text : undefined;
}

function asText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
