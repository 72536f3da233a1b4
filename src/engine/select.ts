import { MigrationError } from "../base/errors.ts";
import { loadNativeEngine } from "./native.ts";
import { createReferenceEngine } from "./reference/engine.ts";
import { selfTest } from "./self-test.ts";
import type { EngineName, PageEngine } from "./types.ts";
import { loadWasmEngine } from "./wasm.ts";

/** What can be asked for. */
export type EngineChoice = EngineName | "auto";

/** The chosen engine, why, and why not those that come before it. */
export interface SelectedEngine {
  readonly engine: PageEngine;
  readonly reasons: readonly string[];
}

/** One engine as `xenferry engines` lists it. */
export type EngineListing =
  | {
      readonly name: EngineName;
      readonly available: true;
      readonly variants: PageEngine["variants"];
    }
  | { readonly name: EngineName; readonly available: false; readonly reason: string };

/** Fastest first: the order in which "auto" tries. */
const LOADERS: readonly (readonly [EngineName, () => PageEngine])[] = [
  ["native", () => loadNativeEngine()],
  ["wasm", () => loadWasmEngine()],
  ["reference", createReferenceEngine],
];

/**
 * Chooses an engine: the named one, or the first that loads and passes its self-test.
 *
 * @throws MigrationError ENGINE_UNAVAILABLE a named engine does not load, with the reason
 */
export async function selectEngine(choice: EngineChoice): Promise<SelectedEngine> {
  const reasons: string[] = [];
  for (const [name, load] of LOADERS) {
    if (choice !== "auto" && choice !== name) {
      continue;
    }
    try {
      const engine = tested(load());
      const why = choice === "auto" ? "loads and passes its self-test" : "asked for";
      return { engine, reasons: [`${name}: ${why}`, ...reasons] };
    } catch (error) {
      if (choice !== "auto") {
        throw unavailable(name, error);
      }
      reasons.push(`${name}: ${reasonOf(error)}`);
    }
  }
  throw new MigrationError("ENGINE_UNAVAILABLE", { engine: choice, reasons });
}

/** Tries every engine. */
export async function listEngines(): Promise<readonly EngineListing[]> {
  return LOADERS.map(([name, load]) => {
    try {
      return { name, available: true, variants: tested(load()).variants };
    } catch (error) {
      return { name, available: false, reason: reasonOf(error) };
    }
  });
}

function tested(engine: PageEngine): PageEngine {
  const fault = selfTest(engine);
  if (fault !== undefined) {
    throw new MigrationError("ENGINE_UNAVAILABLE", { engine: engine.name, reason: fault });
  }
  return engine;
}

function unavailable(name: EngineName, error: unknown): MigrationError {
  const isOurs = error instanceof MigrationError && error.code === "ENGINE_UNAVAILABLE";
  return isOurs
    ? error
    : new MigrationError("ENGINE_UNAVAILABLE", { engine: name, reason: reasonOf(error) }, error);
}

function reasonOf(error: unknown): string {
  const reason = error instanceof MigrationError ? error.where["reason"] : undefined;
  return typeof reason === "string" ? reason : String(error);
}
