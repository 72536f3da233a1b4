import { loadNativeEngine } from "../../src/engine/native.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import type { PageEngine } from "../../src/engine/types.ts";
import { loadWasmEngine } from "../../src/engine/wasm.ts";

/** Label and engine of every engine that loads here, each native variant included. */
export function availableEngines(): readonly (readonly [string, PageEngine])[] {
  const loaders: readonly (readonly [string, () => PageEngine])[] = [
    ["native", () => loadNativeEngine()],
    ["native, portable variants", () => loadNativeEngine("portable")],
    ["native, widest variants", () => loadNativeEngine("widest")],
    ["wasm", () => loadWasmEngine()],
    ["reference", createReferenceEngine],
  ];
  return loaders.flatMap(([label, load]) => {
    try {
      return [[label, load()] as const];
    } catch (error) {
      console.warn(`${label}: not tested: ${error instanceof Error ? error.message : error}`);
      return [];
    }
  });
}

/** One of each of the three. */
export function threeEngines(): readonly (readonly [string, PageEngine])[] {
  return availableEngines().filter(([label]) => !label.includes("variants"));
}
