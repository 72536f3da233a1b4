import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import nodeGypBuild from "node-gyp-build";
import { MigrationError } from "../base/errors.ts";
import { checkedEngine } from "./checked.ts";
import { ENGINE_ABI_VERSION, type PageEngine, type PageOperations } from "./types.ts";

const FOLDER = fileURLToPath(new URL("../../native/engine", import.meta.url));

/** Raw operations of the add-on, unchecked. */
interface AddonEngine {
  readonly operations: PageOperations;
  readonly variants: PageEngine["variants"];
}

/** Which variants run: the fastest as measured at load, all portable, or all widest. */
export type NativeFlavour = "measured" | "portable" | "widest";

interface EngineAddon extends Readonly<Record<NativeFlavour, AddonEngine>> {
  readonly abiVersion: number;
  readonly isRelease: boolean;
}

/**
 * Loads the native engine.
 *
 * @param flavour other than "measured" is for tests.
 * @throws MigrationError ENGINE_UNAVAILABLE: not built, failed to load, or of another build
 */
export function loadNativeEngine(flavour: NativeFlavour = "measured"): PageEngine {
  const addon = loadAddon();
  if (addon.abiVersion !== ENGINE_ABI_VERSION) {
    throw unavailable(`built for version ${addon.abiVersion}, ${ENGINE_ABI_VERSION} is needed`);
  }
  if (!addon.isRelease) {
    throw unavailable("a debug build; run 'npm run build'");
  }
  const { operations, variants } = addon[flavour];
  return checkedEngine("native", variants, operations);
}

function loadAddon(): EngineAddon {
  const isBuilt = [path.join(FOLDER, "build"), path.join(FOLDER, "prebuilds")].some(existsSync);
  if (!isBuilt) {
    throw unavailable(
      "not built: it needs python3, make and a C++20 compiler, then 'npm run build'",
    );
  }
  try {
    return nodeGypBuild(FOLDER) as EngineAddon;
  } catch (error) {
    const [first] = String(error instanceof Error ? error.message : error).split("\n");
    throw unavailable(`failed to load: ${first}`, error);
  }
}

function unavailable(reason: string, cause?: unknown): MigrationError {
  return new MigrationError("ENGINE_UNAVAILABLE", { engine: "native", reason }, cause);
}
