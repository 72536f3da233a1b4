import { causesOf, tellError } from "../base/error-chain.ts";
import { MigrationError } from "../base/errors.ts";

/** 0 success · 1 stream, peer, guest or machine at fault · 2 wrong use, or our own fault. */
export const EXIT = { SUCCESS: 0, WORLD: 1, USAGE: 2 } as const;

/** An error as a person or (`json`) a program reads it, with its chain of causes. */
export function describeError(error: unknown, as: "text" | "json"): string {
  const chain = causesOf(error);
  if (as === "json") {
    return JSON.stringify({ error: chain.map(factsOf) }, jsonSafe);
  }
  return chain
    .map((entry, depth) => `${depth === 0 ? "xenferry: " : "  because: "}${tellError(entry)}`)
    .join("\n");
}

/** Exit status of a command that ended with `error`. */
export function exitStatusOf(error: unknown): number {
  return error instanceof MigrationError ? error.exitStatus : EXIT.USAGE;
}

/** `JSON.stringify` replacer for what our results hold: bigints become decimal strings. */
export function jsonSafe(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

function factsOf(error: unknown): object {
  if (error instanceof MigrationError) {
    return { code: error.code, message: error.message, where: error.where };
  }
  return { message: tellError(error) };
}
