import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { MigrationError } from "../../src/base/errors.ts";
import { loadWasmEngine } from "../../src/engine/wasm.ts";

/** A module with nothing but an exported global: `(global (export "ABI_VERSION") i32 99)`. */
const OTHER_VERSION = Buffer.from(
  "0061736d01000000" + "0607017f0041e3000b" + "070f010b4142495f56455253494f4e0300",
  "hex",
);

const folder = mkdtempSync(path.join(tmpdir(), "xenferry-wasm-"));
afterAll(() => rmSync(folder, { recursive: true }));

function reasonFor(name: string, content: Uint8Array | undefined): unknown {
  const file = path.join(folder, name);
  if (content !== undefined) {
    writeFileSync(file, content);
  }
  try {
    loadWasmEngine(pathToFileURL(file));
  } catch (error) {
    expect(error).toBeInstanceOf(MigrationError);
    const { code, where } = error as MigrationError;
    expect(code).toBe("ENGINE_UNAVAILABLE");
    const { engine, reason } = where;
    expect(engine).toBe("wasm");
    return reason;
  }
  return undefined;
}

test("a module that is not there was not built", () => {
  expect(reasonFor("missing.wasm", undefined)).toMatch(/^not built: .*npm run build/);
});

test("what is no module fails to load", () => {
  expect(reasonFor("text.wasm", Buffer.from("not a module"))).toMatch(/^failed to load: /);
});

test("a module of another version is refused", () => {
  expect(reasonFor("other.wasm", OTHER_VERSION)).toBe("built for version 99, 2 is needed");
});

test("a module without a version is refused", () => {
  const empty = Buffer.from("0061736d01000000", "hex");
  expect(reasonFor("empty.wasm", empty)).toBe("built for version undefined, 2 is needed");
});
