import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadPolicyModule } from "../../src/migration/policy-module.ts";
import { POLICY_DEFAULTS, type PrecopyStatistics } from "../../src/model/policy.ts";

let folder: string;
let count = 0;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "xenferry-policy-"));
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Loads a module of that text. */
function load(text: string) {
  const file = path.join(folder, `policy-${count++}.mjs`);
  writeFileSync(file, text);
  return loadPolicyModule(file, POLICY_DEFAULTS);
}

const nothing: PrecopyStatistics = { iterations: [], dirtyPages: 7, elapsedMs: 0 };

describe("a policy of the user's own", () => {
  test("may be an object, with a name, numbers and a rule", async () => {
    const policy = await load(`export default {
      name: "mine",
      parameters: { pagesMax: 7 },
      decide({ dirtyPages }) {
        const isEnough = dirtyPages <= this.parameters.pagesMax;
        return { action: isEnough ? "stop-and-copy" : "continue", reason: dirtyPages + " pages" };
      },
    };`);
    expect(policy).toMatchObject({ name: "mine", parameters: { pagesMax: 7 } });
    expect(policy.decide(nothing)).toEqual({ action: "stop-and-copy", reason: "7 pages" });
    expect(policy.decide({ ...nothing, dirtyPages: 8 }).action).toBe("continue");
  });

  test("may be a function of what the command line says", async () => {
    const policy = await load(`export default ({ downtimeTargetMs }) => ({
      name: "mine",
      decide: () => ({ action: "abort", reason: "target " + downtimeTargetMs }),
    });`);
    expect(policy.parameters).toEqual({});
    expect(policy.decide(nothing)).toEqual({ action: "abort", reason: "target 50" });
  });

  test("cannot change what the migration keeps", async () => {
    const policy = await load(`export default {
      name: "mine",
      decide: (statistics) => {
        statistics.iterations.push(1);
        return { action: "continue", reason: "more" };
      },
    };`);
    const mine: PrecopyStatistics = { ...nothing, iterations: [] };
    expect(() => policy.decide(mine)).toThrow(expect.objectContaining({ code: "POLICY_THROWN" }));
    expect(mine.iterations).toEqual([]);
  });

  test("has to be there", async () => {
    const file = path.join(folder, "missing.js");
    await expect(loadPolicyModule(file, POLICY_DEFAULTS)).rejects.toMatchObject({
      code: "POLICY_MODULE",
      where: { file },
    });
  });

  test("has to be a module", async () => {
    await expect(load("export default {{")).rejects.toMatchObject({ code: "POLICY_MODULE" });
    await expect(load("throw new Error('no')")).rejects.toMatchObject({
      code: "POLICY_MODULE",
      where: { reason: "no" },
    });
  });

  test.each([
    ["export const policy = {};", { exported: "undefined" }],
    ["export default null;", { exported: "object" }],
    ["export default () => 5;", { exported: "number" }],
    ["export default { decide() {} };", { missing: "name" }],
    ["export default { name: 'mine' };", { missing: "decide" }],
    ["export default { name: 'mine', decide() {}, parameters: { a: 'b' } };", {}],
  ])("has to be exported: %s", async (text, where) => {
    await expect(load(text)).rejects.toMatchObject({ code: "POLICY_EXPORT", where });
  });

  test("may not throw when it is made, or asked", async () => {
    await expect(load("export default () => { throw new Error('no'); }")).rejects.toMatchObject({
      code: "POLICY_THROWN",
    });
    const policy = await load("export default { name: 'mine', decide() { throw 'no'; } };");
    expect(() => policy.decide(nothing)).toThrow(
      expect.objectContaining({
        code: "POLICY_THROWN",
        where: expect.objectContaining({ reason: "no" }),
      }),
    );
  });

  test.each([
    ["undefined"],
    ["'stop-and-copy'"],
    ["Promise.resolve({ action: 'continue', reason: 'x' })"],
    ["{ action: 'stop', reason: 'x' }"],
    ["{ action: 'continue' }"],
    ["{ action: {}, reason: 'x' }"],
  ])("has to decide: %s", async (returned) => {
    const policy = await load(`export default { name: "mine", decide: () => (${returned}) };`);
    expect(() => policy.decide(nothing)).toThrow(
      expect.objectContaining({ code: "POLICY_DECISION" }),
    );
  });
});
