import { MigrationError } from "../base/errors.ts";

/**
 * The error to throw for `error` when the user may have interrupted: what an interruption broke
 * is told as the interruption, with what broke as its cause.
 */
export function orInterruption(signal: AbortSignal, error: unknown): unknown {
  const isTold = error instanceof MigrationError && error.code === "MIGRATION_INTERRUPTED";
  return signal.aborted && !isTold ? new MigrationError("MIGRATION_INTERRUPTED", {}, error) : error;
}

/** @throws MigrationError MIGRATION_INTERRUPTED */
export function throwIfInterrupted(signal: AbortSignal): void {
  if (signal.aborted) {
    throw new MigrationError("MIGRATION_INTERRUPTED");
  }
}
