import { AssertionError } from "node:assert";
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
    .map((entry, depth) => `${depth === 0 ? "xenferry: " : "  because: "}${sentenceOf(entry)}`)
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

const CAUSES_MAX = 5;

function causesOf(error: unknown): readonly unknown[] {
  const chain: unknown[] = [];
  for (let next = error; next !== undefined && chain.length < CAUSES_MAX; ) {
    chain.push(next);
    next = next instanceof Error ? next.cause : undefined;
  }
  return chain;
}

function factsOf(error: unknown): object {
  if (error instanceof MigrationError) {
    return { code: error.code, message: error.message, where: error.where };
  }
  return { message: sentenceOf(error) };
}

function sentenceOf(error: unknown): string {
  if (error instanceof MigrationError) {
    return error.message;
  }
  if (error instanceof AssertionError) {
    return `a fault of xenferry itself: ${error.stack ?? error.message}`;
  }
  return error instanceof Error ? error.message : String(error);
}
