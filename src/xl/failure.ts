import { ERROR_CODES, type ErrorCode, type ErrorFacts, MigrationError } from "../base/errors.ts";
import type { ReportedError } from "../report/report-lines.ts";
import type { EndRecord } from "./end-record.ts";
import type { XlOutcome } from "./operation.ts";

/** What is known besides the outcome. */
export interface FailureContext {
  /** What `xl` was to do. */
  readonly command: "save" | "restore" | "migrate";
  readonly signal: AbortSignal;
  /** What `xl list` says of the guest now, such as "running"; undefined where it was not asked. */
  readonly guest?: string | undefined;
}

/** What a helper fails with because something else failed before. */
const CONSEQUENCES: readonly (string | undefined)[] = [
  "TRANSPORT_LOST",
  "STREAM_TRUNCATED",
  "HELPER_LIBXL_GONE",
];

/** Lines of each end that are shown after a failure. */
const WORDS_LINES_MAX = 10;

/** Shows the last words of `xl` at both ends. */
export function tellWords({ near, far }: XlOutcome, note: (line: string) => void): void {
  for (const line of near.text.slice(-WORDS_LINES_MAX)) {
    note(`xl: ${line}`);
  }
  for (const line of far.text.slice(-WORDS_LINES_MAX)) {
    note(`target: ${line}`);
  }
}

/**
 * Why it failed: the reason of the helper at whose end it began, else the words of `xl`. Undefined
 * if it did not fail.
 */
export function failureOf(outcome: XlOutcome, context: FailureContext): MigrationError | undefined {
  if (outcome.status === 0) {
    return undefined;
  }
  const { end, record } = endAtFault(outcome);
  const { command, guest } = context;
  const facts = { command: `xl ${command}`, status: outcome.status, guest };
  const cause = record.error && rebuild(record.error);
  const said = cause === undefined ? reasonIn(record.text) : undefined;
  const isMigration = command === "migrate";
  const where = { ...facts, ...(isMigration && { end }), said };
  const failure = new MigrationError("XL_FAILED", where, cause);
  const code = codeOf(outcome, context);
  return code === "XL_FAILED" ? failure : new MigrationError(code, { guest }, failure);
}

function codeOf({ near, moments }: XlOutcome, { signal }: FailureContext): ErrorCode {
  if (moments.has("undecided")) {
    return "HANDSHAKE_UNDECIDED";
  }
  if (moments.has("refused")) {
    return "HANDSHAKE_REFUSED";
  }
  const isInterrupted = near.endedMs === undefined || isInterruption(near);
  return signal.aborted && isInterrupted ? "MIGRATION_INTERRUPTED" : "XL_FAILED";
}

function isInterruption({ error }: EndRecord): boolean {
  return error?.[0]?.code === "MIGRATION_INTERRUPTED";
}

/**
 * The end whose failure is no consequence of the other's. The target is asked first: what it fails
 * with is plain, while the source may only find that nobody reads any more.
 */
function endAtFault({ near, far }: XlOutcome) {
  const source = { end: "source", record: near } as const;
  const target = { end: "target", record: far } as const;
  const ends = [target, source];
  return (
    ends.find(({ record }) => record.error && !CONSEQUENCES.includes(record.error[0]?.code)) ??
    ends.find(({ record }) => record.error) ??
    ends.find(({ record }) => reasonIn(record.text) !== undefined) ??
    source
  );
}

/** The line that says most: the first of an error, else the last. */
function reasonIn(lines: readonly string[]): string | undefined {
  return lines.find((line) => /\berror\b/i.test(line)) ?? lines.at(-1);
}

/** The errors of another process as errors of this one. */
function rebuild([first, ...causes]: readonly ReportedError[]): Error | undefined {
  if (first === undefined) {
    return undefined;
  }
  const cause = rebuild(causes);
  const code = ERROR_CODES.find((known) => known === first.code);
  return code === undefined
    ? new Error(first.message, { cause })
    : new MigrationError(code, factsOf(first.where), cause);
}

function factsOf(where: Readonly<Record<string, unknown>> = {}): ErrorFacts {
  const isFact = (value: unknown) => ["string", "number", "boolean"].includes(typeof value);
  const known = Object.entries(where).filter(
    ([, value]) => isFact(value) || (Array.isArray(value) && value.every(isFact)),
  );
  return Object.fromEntries(known) as ErrorFacts;
}
