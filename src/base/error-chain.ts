import { isMistake } from "./assert.ts";
import { MigrationError } from "./errors.ts";

const CAUSES_MAX = 5;

/** An error, its cause, the cause of that, and so on. */
export function causesOf(error: unknown): readonly unknown[] {
  const chain: unknown[] = [];
  for (let next = error; next !== undefined && chain.length < CAUSES_MAX; ) {
    chain.push(next);
    next = next instanceof Error ? next.cause : undefined;
  }
  return chain;
}

/** One link of the chain, as a person reads it. */
export function tellError(error: unknown): string {
  if (error instanceof MigrationError) {
    return error.message;
  }
  if (isMistake(error)) {
    return `a fault of xenferry itself: ${error.stack ?? error.message}`;
  }
  return error instanceof Error ? error.message : String(error);
}
