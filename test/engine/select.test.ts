import { describe, expect, test } from "vitest";
import { MigrationError } from "../../src/base/errors.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import {
  type EngineChoice,
  type EngineLoaders,
  listEngines,
  selectEngine,
} from "../../src/engine/select.ts";
import { type EngineName, PAGE_OPERATIONS, type PageEngine } from "../../src/engine/types.ts";

/** The reference engine under another name. */
function engineNamed(name: EngineName): PageEngine {
  return { ...createReferenceEngine(), name };
}

function unavailable(engine: EngineName, reason: string): () => PageEngine {
  return () => {
    throw new MigrationError("ENGINE_UNAVAILABLE", { engine, reason });
  };
}

const WORKING: EngineLoaders = {
  native: () => engineNamed("native"),
  wasm: () => engineNamed("wasm"),
  reference: createReferenceEngine,
};

function failureOf(choice: EngineChoice, loaders: EngineLoaders): MigrationError {
  try {
    selectEngine(choice, loaders);
  } catch (error) {
    expect(error).toBeInstanceOf(MigrationError);
    return error as MigrationError;
  }
  throw new Error(`${choice} was selected`);
}

describe("selectEngine", () => {
  test.each(["native", "wasm", "reference"] as const)("takes %s by name", (name) => {
    const { engine, reasons } = selectEngine(name, WORKING);
    expect(engine.name).toBe(name);
    expect(reasons).toEqual([`${name}: chosen by name`]);
  });

  test("takes native first", () => {
    const { engine, reasons } = selectEngine("auto", WORKING);
    expect(engine.name).toBe("native");
    expect(reasons).toEqual(["native: the first that passes its self-test"]);
  });

  test("takes the next one and says why not the first", () => {
    const loaders = { ...WORKING, native: unavailable("native", "not built") };
    const { engine, reasons } = selectEngine("auto", loaders);
    expect(engine.name).toBe("wasm");
    expect(reasons).toEqual(["native: not built", "wasm: the first that passes its self-test"]);
  });

  test("passes over an engine that computes wrongly", () => {
    const loaders: EngineLoaders = {
      ...WORKING,
      native: unavailable("native", "not built"),
      wasm: () => ({ ...engineNamed("wasm"), countBitmap: () => 0 }),
    };
    expect(selectEngine("auto", loaders).reasons).toEqual([
      "native: not built",
      "wasm: fails its self-test: countBitmap gives wrong results",
      "reference: the first that passes its self-test",
    ]);
    const error = failureOf("wasm", loaders);
    expect(error.code).toBe("ENGINE_UNAVAILABLE");
    expect(error.where).toEqual({
      engine: "wasm",
      reason: "fails its self-test: countBitmap gives wrong results",
    });
  });

  test("does not replace a named engine", () => {
    const loaders = { ...WORKING, native: unavailable("native", "not built") };
    const error = failureOf("native", loaders);
    expect(error.code).toBe("ENGINE_UNAVAILABLE");
    expect(error.where).toEqual({ engine: "native", reason: "not built" });
  });

  test("gives every reason where nothing works", () => {
    const error = failureOf("auto", {
      native: unavailable("native", "a"),
      wasm: unavailable("wasm", "b"),
      reference: unavailable("reference", "c"),
    });
    expect(error.code).toBe("ENGINE_UNAVAILABLE");
    expect(error.where).toEqual({ engine: "auto", reason: "native: a; wasm: b; reference: c" });
  });

  test.each(["quantum", "", "Native", "toString"])("knows no engine '%s'", (name) => {
    expect(failureOf(name as EngineChoice, WORKING).code).toBe("ENGINE_UNKNOWN");
  });

  test("hides no mistake of ours", () => {
    const loaders: EngineLoaders = {
      ...WORKING,
      native: () => {
        throw new TypeError("ours");
      },
    };
    expect(() => selectEngine("auto", loaders)).toThrow(TypeError);
  });
});

describe("listEngines", () => {
  test("tells of each engine what runs or why not", () => {
    const loaders = { ...WORKING, wasm: unavailable("wasm", "not built") };
    const { variants } = createReferenceEngine();
    expect(listEngines(loaders)).toEqual([
      { name: "native", available: true, variants },
      { name: "wasm", available: false, reason: "not built" },
      { name: "reference", available: true, variants },
    ]);
  });

  test("names a variant of each operation of the real engines", () => {
    for (const report of listEngines()) {
      if (report.available) {
        expect(Object.keys(report.variants)).toEqual(PAGE_OPERATIONS);
      } else {
        expect(report.reason).not.toBe("");
      }
    }
  });
});
