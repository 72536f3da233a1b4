import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import nodeGypBuild from "node-gyp-build";
import { MigrationError } from "../base/errors.ts";
import { ENGINE_ABI_VERSION, type PageEngine, type PageOperations } from "./types.ts";

const FOLDER = fileURLToPath(new URL("../../native/engine", import.meta.url));

/** What the add-on exports; it checks the arguments itself. */
interface EngineAddon extends PageOperations {
  readonly abiVersion: number;
  readonly isRelease: boolean;
  readonly variants: PageEngine["variants"];
}

/**
 * Loads the native engine.
 *
 * @throws MigrationError ENGINE_UNAVAILABLE: not built, failed to load, or of another build
 */
export function loadNativeEngine(): PageEngine {
  const addon = loadAddon();
  if (addon.abiVersion !== ENGINE_ABI_VERSION) {
    throw unavailable(`built for version ${addon.abiVersion}, ${ENGINE_ABI_VERSION} is needed`);
  }
  if (!addon.isRelease) {
    throw unavailable("a debug build; run 'npm run build'");
  }
  const { abiVersion: _abiVersion, isRelease: _isRelease, ...operations } = addon;
  return { name: "native", ...operations };
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
