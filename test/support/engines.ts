import { describe } from "vitest";
import { MigrationError } from "../../src/base/errors.ts";
import { listNativeVariants, loadNativeEngine } from "../../src/engine/native.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { PAGE_OPERATIONS, type PageEngine } from "../../src/engine/types.ts";
import { loadWasmEngine } from "../../src/engine/wasm.ts";

/** An engine with a label for test names, such as "native:avx2". */
export interface LabelledEngine {
  readonly label: string;
  readonly engine: PageEngine;
}

/**
 * Every engine that loads here; the native one once a variant of its operations too.
 *
 * `unavailable` says why an engine is missing.
 */
export function enginesUnderTest(): {
  readonly engines: readonly LabelledEngine[];
  readonly unavailable: readonly string[];
} {
  const engines: LabelledEngine[] = [{ label: "reference", engine: createReferenceEngine() }];
  const unavailable: string[] = [];
  for (const load of [loadWasm, loadNativeVariants]) {
    try {
      engines.push(...load());
    } catch (error) {
      if (!(error instanceof MigrationError) || error.code !== "ENGINE_UNAVAILABLE") {
        throw error;
      }
      unavailable.push(error.message);
    }
  }
  return { engines, unavailable };
}

/**
 * Runs a contract suite on every engine; one that is missing is a skipped suite with the reason.
 */
export function describeEngines(name: string, suite: (engine: PageEngine) => void): void {
  const { engines, unavailable } = enginesUnderTest();
  for (const { label, engine } of engines) {
    describe(`${name} (${label})`, () => suite(engine));
  }
  for (const reason of unavailable) {
    describe.skip(`${name}: ${reason}`, () => suite(createReferenceEngine()));
  }
}

function loadWasm(): LabelledEngine[] {
  return [{ label: "wasm", engine: loadWasmEngine() }];
}

/** "native:avx2" runs that variant of each operation which has it, else "portable". */
function loadNativeVariants(): LabelledEngine[] {
  const runnable = listNativeVariants();
  const names = new Set(PAGE_OPERATIONS.flatMap((operation) => runnable[operation]));
  const measured = { label: "native", engine: loadNativeEngine() };
  return [measured, ...[...names].map((name) => loadNativeVariant(runnable, name))];
}

function loadNativeVariant(
  runnable: ReturnType<typeof listNativeVariants>,
  name: string,
): LabelledEngine {
  const variants = Object.fromEntries(
    PAGE_OPERATIONS.map((operation) => [
      operation,
      runnable[operation].includes(name) ? name : "portable",
    ]),
  );
  return { label: `native:${name}`, engine: loadNativeEngine(variants) };
}
