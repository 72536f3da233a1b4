import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { MigrationError } from "../../src/base/errors.ts";
import { listNativeVariants, loadNativeEngine } from "../../src/engine/native.ts";
import { PAGE_OPERATIONS } from "../../src/engine/types.ts";
import { enginesUnderTest } from "../support/engines.ts";

const folder = mkdtempSync(path.join(tmpdir(), "xenferry-native-"));
afterAll(() => rmSync(folder, { recursive: true }));

function reasonFor(addonFolder: string): unknown {
  try {
    loadNativeEngine({}, pathToFileURL(addonFolder));
  } catch (error) {
    expect(error).toBeInstanceOf(MigrationError);
    const { code, where } = error as MigrationError;
    expect(code).toBe("ENGINE_UNAVAILABLE");
    const { engine, reason } = where;
    expect(engine).toBe("native");
    return reason;
  }
  return undefined;
}

/** A folder in which node-gyp-build finds `content` as the add-on, under the name `name`. */
function addonFolderWith(name: string, content: string): string {
  const release = path.join(folder, name, "build", "Release");
  mkdirSync(release, { recursive: true });
  writeFileSync(path.join(release, "engine.node"), content);
  return path.join(folder, name);
}

test("an add-on that is not there was not built", () => {
  expect(reasonFor(path.join(folder, "missing"))).toMatch(/^not built: .*npm run build/);
});

test("what is no add-on fails to load", () => {
  expect(reasonFor(addonFolderWith("text", "not an add-on"))).toMatch(/^failed to load: /);
});

const { unavailable } = enginesUnderTest();
const missing = unavailable.find((reason) => reason.includes("native"));

describe.skipIf(missing !== undefined)(`the add-on${missing ? `: ${missing}` : ""}`, () => {
  test("has a portable variant of each operation, first", () => {
    const runnable = listNativeVariants();
    expect(Object.keys(runnable)).toEqual(PAGE_OPERATIONS);
    for (const operation of PAGE_OPERATIONS) {
      expect(runnable[operation][0]).toBe("portable");
    }
  });

  test("runs the variant that is named", () => {
    const runnable = listNativeVariants();
    for (const operation of PAGE_OPERATIONS) {
      for (const variant of runnable[operation]) {
        expect(loadNativeEngine({ [operation]: variant }).variants[operation]).toBe(variant);
      }
    }
  });

  test("keeps the choices of two engines apart", () => {
    const portable = loadNativeEngine({ checksumPages: "portable" });
    const widest = listNativeVariants().checksumPages.at(-1)!;
    const other = loadNativeEngine({ checksumPages: widest });
    expect(portable.variants.checksumPages).toBe("portable");
    expect(other.variants.checksumPages).toBe(widest);
  });

  test("refuses a variant that cannot run", () => {
    expect(() => loadNativeEngine({ checksumPages: "quantum" })).toThrow(RangeError);
    expect(() => loadNativeEngine({ checksumPages: "" })).toThrow(RangeError);
  });

  test("calls on something else throw", () => {
    const { countBitmap } = loadNativeEngine();
    expect(() => Reflect.apply(countBitmap, {}, [new Uint8Array(8)])).toThrow(TypeError);
    expect(() => Reflect.apply(countBitmap, undefined, [new Uint8Array(8)])).toThrow(TypeError);
  });

  test("gives 0 for detached memory", () => {
    const bitmap = new Uint8Array(8).fill(0xff);
    structuredClone(bitmap, { transfer: [bitmap.buffer] });
    expect(loadNativeEngine().countBitmap(bitmap)).toBe(0);
  });
});
