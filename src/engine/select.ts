import { MigrationError } from "../base/errors.ts";
import { loadNativeEngine } from "./native.ts";
import { createReferenceEngine } from "./reference/engine.ts";
import { findEngineFault } from "./self-test.ts";
import type { EngineName, PageEngine, PageOperation } from "./types.ts";
import { loadWasmEngine } from "./wasm.ts";

/** An engine by name, or the first that works. */
export type EngineChoice = EngineName | "auto";

/** How each engine is loaded; throws MigrationError ENGINE_UNAVAILABLE where it cannot be. */
export type EngineLoaders = Readonly<Record<EngineName, () => PageEngine>>;

/** The engine to use, and for people: why this one, and why not those before it. */
export interface SelectedEngine {
  readonly engine: PageEngine;
  /** One clause an engine considered, in order; the last one is about `engine`. */
  readonly reasons: readonly string[];
}

/** What is known of one engine on this machine. */
export type EngineReport =
  | {
      readonly name: EngineName;
      readonly available: true;
      readonly variants: Readonly<Record<PageOperation, string>>;
    }
  | { readonly name: EngineName; readonly available: false; readonly reason: string };

/** Engines in the order in which `auto` tries them: fastest first. */
export const ENGINE_NAMES: readonly EngineName[] = ["native", "wasm", "reference"];

const LOADERS: EngineLoaders = {
  native: () => loadNativeEngine(),
  wasm: () => loadWasmEngine(),
  reference: createReferenceEngine,
};

/**
 * Loads the engine of that name, or for `auto` the first that loads and passes its self-test.
 *
 * @param loaders a parameter so that tests can let engines fail.
 * @throws MigrationError ENGINE_UNAVAILABLE: the named engine, or with `auto` every one, does not
 *   load or fails its self-test; ENGINE_UNKNOWN: no engine has that name.
 */
export function selectEngine(
  choice: EngineChoice,
  loaders: EngineLoaders = LOADERS,
): SelectedEngine {
  if (choice === "auto") {
    return selectFirst(loaders);
  }
  if (!ENGINE_NAMES.includes(choice)) {
    throw new MigrationError("ENGINE_UNKNOWN", { engine: String(choice) });
  }
  return { engine: loadTested(choice, loaders), reasons: [`${choice}: chosen by name`] };
}

/** Loads and tests every engine, for a person to see what there is. */
export function listEngines(loaders: EngineLoaders = LOADERS): readonly EngineReport[] {
  return ENGINE_NAMES.map((name) => {
    try {
      const { variants } = loadTested(name, loaders);
      return { name, available: true, variants };
    } catch (error) {
      return { name, available: false, reason: reasonOf(error) };
    }
  });
}

function selectFirst(loaders: EngineLoaders): SelectedEngine {
  const reasons: string[] = [];
  for (const name of ENGINE_NAMES) {
    try {
      const engine = loadTested(name, loaders);
      return { engine, reasons: [...reasons, `${name}: the first that passes its self-test`] };
    } catch (error) {
      reasons.push(`${name}: ${reasonOf(error)}`);
    }
  }
  throw new MigrationError("ENGINE_UNAVAILABLE", { engine: "auto", reason: reasons.join("; ") });
}

function loadTested(name: EngineName, loaders: EngineLoaders): PageEngine {
  const engine = loaders[name]();
  const fault = findEngineFault(engine);
  if (fault !== undefined) {
    const reason = `fails its self-test: ${fault}`;
    throw new MigrationError("ENGINE_UNAVAILABLE", { engine: name, reason });
  }
  return engine;
}

/** The reason an engine cannot be used; what is no such reason is our mistake and goes on. */
function reasonOf(error: unknown): string {
  if (error instanceof MigrationError && error.code === "ENGINE_UNAVAILABLE") {
    const { reason } = error.where;
    return String(reason);
  }
  throw error;
}
