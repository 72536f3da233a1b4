import { describe, expect, test } from "vitest";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { findEngineFault } from "../../src/engine/self-test.ts";
import { PAGE_OPERATIONS, type PageEngine, type PageOperation } from "../../src/engine/types.ts";
import { describeEngines } from "../support/engines.ts";

describeEngines("self-test", (engine) => {
  test("finds no fault", () => {
    expect(findEngineFault(engine)).toBeUndefined();
  });
});

describe("self-test of a broken engine", () => {
  test.each(PAGE_OPERATIONS)("names %s where it counts wrong", (operation) => {
    const engine = createReferenceEngine();
    const wrong = (...values: unknown[]): number => run(engine, operation, values) + 1;
    const fault = findEngineFault({ ...engine, [operation]: wrong });
    expect(fault).toBe(`${operation} gives wrong results`);
  });

  test.each(PAGE_OPERATIONS)("names %s where it writes nothing", (operation) => {
    const engine = createReferenceEngine();
    const idle = (...values: unknown[]): number => run(engine, operation, values.map(copyOf));
    const fault = findEngineFault({ ...engine, [operation]: idle });
    expect(fault).toBe(
      operation === "countBitmap" ? undefined : `${operation} gives wrong results`,
    );
  });

  test("tells what was thrown", () => {
    const engine = createReferenceEngine();
    const broken: PageEngine = {
      ...engine,
      checksumPages() {
        throw new RangeError("no such table");
      },
    };
    expect(findEngineFault(broken)).toBe("checksumPages throws: no such table");
  });
});

function run(engine: PageEngine, operation: PageOperation, values: readonly unknown[]): number {
  return Reflect.apply(engine[operation], engine, values) as number;
}

function copyOf(value: unknown): unknown {
  return value instanceof Uint8Array || value instanceof Uint32Array ? value.slice() : value;
}
