/**
 * Throws where this project made a mistake; never used on data from a stream, peer or guest.
 *
 * @throws AssertionError
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) {
    throw mistake(message, assert);
  }
}

/** Marks the branch of an exhaustive switch that cannot be taken. */
export function unreachable(value: never): never {
  throw mistake(`unreachable: ${String(value)}`, unreachable);
}

/** Whether it was this project that made a mistake. */
export function isMistake(error: unknown): error is Error {
  return error instanceof Error && "code" in error && error.code === "ERR_ASSERTION";
}

/** Loads Node's assertions now: to start with them takes a program a sixth longer. */
function mistake(message: string, stackStartFn: (...args: never[]) => unknown): Error {
  const { AssertionError } = process.getBuiltinModule("node:assert");
  return new AssertionError({ message, stackStartFn });
}
