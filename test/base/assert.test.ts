import { AssertionError } from "node:assert";
import { expect, test } from "vitest";
import { assert, isMistake, unreachable } from "../../src/base/assert.ts";
import { tellError } from "../../src/base/error-chain.ts";

function errorOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

test("a mistake is an AssertionError, told as ours, from where it was made", () => {
  const error = errorOf(() => assert(false, "there is a page")) as Error;
  expect(error).toBeInstanceOf(AssertionError);
  expect(isMistake(error)).toBe(true);
  expect(tellError(error)).toMatch(/^a fault of xenferry itself: .*there is a page\n/);
  expect(error.stack).not.toContain("base/assert.ts");
});

test("so is a branch that cannot be taken", () => {
  const error = errorOf(() => unreachable("left" as never));
  expect(error).toBeInstanceOf(AssertionError);
  expect(tellError(error)).toContain("unreachable: left");
});

test("other errors are no mistakes of ours", () => {
  expect([new Error("x"), { code: "ERR_ASSERTION" }, undefined].map(isMistake)).toEqual([
    false,
    false,
    false,
  ]);
});
