import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { MigrationError } from "../base/errors.ts";
import { ENGINE_ABI_VERSION, type PageEngine, type PageOperation } from "./types.ts";

/** The same place seen from src/engine and from dist/engine. */
const ADDON_FOLDER_URL = new URL("../../native/engine", import.meta.url);

/** Which variant to run, by operation; operations not named run what measured fastest. */
export type NativeVariants = Readonly<Partial<Record<PageOperation, string>>>;

/** Plain loops in C++ that bench/ compares the engines with; no engine runs them. */
export interface NativeBaselines {
  /** Sums all 64-bit words with the widest loads there are; returns the sum's low 32 bits. */
  sumWords(bytes: Uint8Array): number;
  /** Lists set bits as `scanBitmap` from pfn 0 does, word by word and trailing zero by zero. */
  listBits(bitmap: Uint8Array, outPfns: Uint32Array): number;
}

/** What native/engine/bindings.cc exports. */
interface EngineAddon {
  readonly ABI_VERSION: number;
  readonly BUILD_FLAVOUR: "release" | "debug";
  readonly runnableVariants: Readonly<Record<PageOperation, readonly string[]>>;
  readonly baselines: NativeBaselines;
  readonly Engine: new (variants?: NativeVariants) => PageEngine;
}

/** The part of node-gyp-build that is used here: finds a build, or throws where there is none. */
interface BuildFinder {
  resolve(folder: string): string;
}

/**
 * Loads the native engine.
 *
 * @param variants for tests and measurements.
 * @param folderUrl where the add-on's build is; a parameter so that tests can take it away.
 * @throws MigrationError ENGINE_UNAVAILABLE: not built, failed to load, of another version, or a
 *   debug build; RangeError a variant that cannot run here.
 */
export function loadNativeEngine(
  variants: NativeVariants = {},
  folderUrl: URL = ADDON_FOLDER_URL,
): PageEngine {
  return new (loadAddon(folderUrl).Engine)(variants);
}

/**
 * Names the variants of each operation that can run here, narrow to wide.
 *
 * @throws MigrationError ENGINE_UNAVAILABLE
 */
export function listNativeVariants(): Readonly<Record<PageOperation, readonly string[]>> {
  return loadAddon(ADDON_FOLDER_URL).runnableVariants;
}

/**
 * Loads the plain loops that measurements are compared with.
 *
 * @throws MigrationError ENGINE_UNAVAILABLE
 */
export function loadNativeBaselines(): NativeBaselines {
  return loadAddon(ADDON_FOLDER_URL).baselines;
}

function loadAddon(folderUrl: URL): EngineAddon {
  const require = createRequire(import.meta.url);
  const addonPath = findAddon(require, fileURLToPath(folderUrl));
  let addon: EngineAddon;
  try {
    addon = require(addonPath) as EngineAddon;
  } catch (cause) {
    throw unavailable(`failed to load: ${messageOf(cause)}`, cause);
  }
  if (addon.ABI_VERSION !== ENGINE_ABI_VERSION) {
    const found = String(addon.ABI_VERSION);
    throw unavailable(`built for version ${found}, ${ENGINE_ABI_VERSION} is needed`);
  }
  if (addon.BUILD_FLAVOUR !== "release") {
    throw unavailable("a debug build, which no measurement may use; run 'npm run build'");
  }
  return addon;
}

function findAddon(require: NodeJS.Require, folder: string): string {
  const finder = require("node-gyp-build") as BuildFinder;
  try {
    return finder.resolve(folder);
  } catch (cause) {
    throw unavailable("not built: there is no add-on for this machine; run 'npm run build'", cause);
  }
}

function unavailable(reason: string, cause?: unknown): MigrationError {
  return new MigrationError("ENGINE_UNAVAILABLE", { engine: "native", reason }, cause);
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
