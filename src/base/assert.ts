import { AssertionError } from "node:assert";

/**
 * Throws where this project made a mistake; never used on data from a stream, peer or guest.
 *
 * @throws AssertionError
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) {
    throw new AssertionError({ message, stackStartFn: assert });
  }
}

/** Marks the branch of an exhaustive switch that cannot be taken. */
export function unreachable(value: never): never {
  throw new AssertionError({ message: `unreachable: ${String(value)}`, stackStartFn: unreachable });
}
