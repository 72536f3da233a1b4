import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { buildProgram, compiler } from "../support/native-program.ts";

const COMPILE_TIMEOUT_MS = 180_000;
const SOURCES = ["native/pump/compression_choice.cc", "test/native/compression_choice_test.cc"];
const skipped = compiler === undefined ? " (skipped: needs a C++ compiler)" : "";

describe.skipIf(compiler === undefined)(`choice of packing${skipped}`, () => {
  test("passes its own tests", { timeout: COMPILE_TIMEOUT_MS }, () => {
    const { status, stdout } = spawnSync(buildProgram("choice-tests", SOURCES), {
      encoding: "utf8",
    });
    expect(stdout).toMatch(/^\d+ checks, 0 failures\n$/);
    expect(status).toBe(0);
  });
});
