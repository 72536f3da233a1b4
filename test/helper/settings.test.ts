import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  loadSettings,
  policyOf,
  profilePathOf,
  SETTING_VARIABLES,
  SETTINGS_DEFAULTS,
} from "../../src/helper/settings.ts";

let folder: string;
let config: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "xenferry-settings-"));
  config = path.join(folder, "helper.json");
});

afterAll(() => rmSync(folder, { recursive: true }));

/** Settings of a file with `content`. */
function withFile(content: string, environment: Readonly<Record<string, string>> = {}) {
  writeFileSync(config, content);
  return loadSettings({ XENFERRY_CONFIG: config, ...environment });
}

/** What loading fails with. */
function failureOf(load: () => Promise<unknown>): Promise<unknown> {
  return load().then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("settings", () => {
  test("have defaults, which an empty variable leaves as they are", async () => {
    expect(await withFile("{}", { XENFERRY_POLICY: "" })).toEqual(SETTINGS_DEFAULTS);
  });

  test("come from the environment", async () => {
    const environment = {
      XENFERRY_POLICY: "xen",
      XENFERRY_DOWNTIME_MS: "120",
      XENFERRY_DEADLINE_S: "90",
      XENFERRY_ITERATIONS_MAX: "7",
      XENFERRY_TIME_MAX_S: "60",
      XENFERRY_ABOVE_TARGET: "abort",
      XENFERRY_BANDWIDTH_MAX: "100M",
      XENFERRY_ZERO_PAGES: "send",
      XENFERRY_PROFILE: "/var/log/xenferry-%d.json",
      XENFERRY_ENGINE: "wasm",
    };
    expect(Object.keys(environment)).toEqual(Object.values(SETTING_VARIABLES));
    expect(await withFile("{}", environment)).toEqual({
      policy: "xen",
      downtimeMs: 120,
      deadlineS: 90,
      iterationsMax: 7,
      timeMaxS: 60,
      aboveTarget: "abort",
      bandwidthMax: 100 * 1024 ** 2,
      zeroPages: "send",
      profile: "/var/log/xenferry-%d.json",
      engine: "wasm",
    });
  });

  test("come from the file, and the environment goes before it", async () => {
    const content = '{ "downtimeMs": 200, "bandwidthMax": 5000000, "zeroPages": "send" }';
    expect(await withFile(content, { XENFERRY_DOWNTIME_MS: "30" })).toEqual({
      ...SETTINGS_DEFAULTS,
      downtimeMs: 30,
      bandwidthMax: 5_000_000,
      zeroPages: "send",
    });
  });

  test.each([
    ["XENFERRY_POLICY", "fast"],
    ["XENFERRY_POLICY", "./mine.js"],
    ["XENFERRY_DOWNTIME_MS", "-1"],
    ["XENFERRY_DOWNTIME_MS", "soon"],
    ["XENFERRY_BANDWIDTH_MAX", "much"],
    ["XENFERRY_ENGINE", "steam"],
  ])("name the variable that is wrong: %s=%s", async (variable, value) => {
    expect(await failureOf(() => withFile("{}", { [variable]: value }))).toMatchObject({
      code: "HELPER_SETTINGS",
      where: { setting: variable },
    });
  });

  test.each([
    ["downtimeMs", '{ "downtimeMs": 0 }'],
    ["", '{ "downtime": 50 }'],
    ["", "[]"],
  ])("name the place in the file that is wrong: '%s' in %s", async (setting, content) => {
    expect(await failureOf(() => withFile(content))).toMatchObject({
      code: "HELPER_SETTINGS",
      where: { setting: `${config}: ${setting}` },
    });
  });

  test("need the file that is named, and as JSON", async () => {
    const missing = path.join(folder, "missing.json");
    expect(await failureOf(() => loadSettings({ XENFERRY_CONFIG: missing }))).toMatchObject({
      code: "HELPER_SETTINGS",
      where: { file: missing },
    });
    expect(await failureOf(() => withFile("{"))).toMatchObject({ code: "HELPER_SETTINGS" });
  });

  test("give a policy and the profile's place", () => {
    expect(policyOf({ ...SETTINGS_DEFAULTS, policy: "xen" }).name).toBe("xen");
    expect(policyOf({ ...SETTINGS_DEFAULTS, timeMaxS: 9 })).toMatchObject({
      name: "downtime",
      parameters: { downtimeTargetMs: 50, totalMsMax: 9000 },
    });
    expect(profilePathOf({ ...SETTINGS_DEFAULTS, profile: "/p/%d.json" }, 12)).toBe("/p/12.json");
    expect(profilePathOf(SETTINGS_DEFAULTS, 12)).toBeUndefined();
  });
});
