import { loadNativeEngine } from "../../src/engine/native.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import type { PageEngine } from "../../src/engine/types.ts";
import { loadWasmEngine } from "../../src/engine/wasm.ts";

type Labelled = readonly [label: string, engine: PageEngine];

/** One of each of the three engines that load here; says which do not, and why. */
export function threeEngines(): readonly Labelled[] {
  return [
    ...loaded("native", () => loadNativeEngine()),
    ...loaded("wasm", () => loadWasmEngine()),
    ...loaded("reference", createReferenceEngine),
  ];
}

function loaded(label: string, load: () => PageEngine): readonly Labelled[] {
  try {
    return [[label, load()]];
  } catch (error) {
    console.warn(`${label}: not tested: ${error instanceof Error ? error.message : error}`);
    return [];
  }
}
