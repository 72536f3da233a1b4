import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseProfile } from "../../src/report/profile.ts";
import { makeRunDir, type TestRunDir, unavailableKinds } from "../support/guests.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const kind = (await unavailableKinds(["process"])).has("process") ? "synthetic" : "process";
const SPEC = `${kind}:memory=4M,dirty=2000p,hot=25%,vcpus=2,name=web`;

let place: TestRunDir;

beforeEach(async () => {
  place = await makeRunDir();
});

afterEach(async () => {
  await place.dispose();
});

function xenferry(...args: readonly string[]) {
  const command = [MAIN, "--run-dir", place.runDir, ...args];
  return spawnSync(process.execPath, command, { encoding: "utf8", cwd: place.runDir });
}

function json(...args: readonly string[]) {
  const { stdout, status, stderr } = xenferry("--json", "-q", ...args);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout === "" ? undefined : JSON.parse(stdout);
}

describe("xenferry", () => {
  test("creates, lists, pauses, checks and destroys a guest", () => {
    expect(json("create", "--guest", SPEC)).toEqual({ name: "web", kind });
    expect(json("list")).toMatchObject([{ name: "web", state: "running", memoryBytes: 4 << 20 }]);
    json("pause", "web");
    expect(json("list")).toMatchObject([{ state: "paused" }]);
    json("unpause", "web");
    expect(json("check", "web")).toMatchObject({ pagesBad: 0, versionsMatch: true });
    json("destroy", "web");
    expect(json("list")).toEqual([]);
  });

  test("says what can be used here", () => {
    const { machine, xen, saveHelper, convertHelper } = json("doctor");
    expect(machine).toContainEqual(
      expect.objectContaining({ name: "engine reference", isAvailable: true }),
    );
    expect(xen).toContainEqual(expect.objectContaining({ name: "hypervisor" }));
    for (const name of ["libxenctrl", "libxenguest", "libxenforeignmemory"]) {
      expect(xen).toContainEqual(expect.objectContaining({ name, detail: expect.any(String) }));
    }
    expect([saveHelper, convertHelper].map((file) => existsSync(file))).toEqual([true, true]);
    const { stdout } = xenferry("doctor");
    expect(stdout).toContain(`LIBXL_SAVE_HELPER=${saveHelper}\n`);
    expect(stdout).toContain(`LIBXL_CONVERT_HELPER=${convertHelper}\n`);
  });

  test("creates a guest from an xl.cfg file and says what it ignored", () => {
    const file = path.join(place.runDir, "web.cfg");
    const lines = [
      'name = "web"',
      "memory = 4",
      "vcpus = 1",
      'type = "pvh"',
      'vif = [ "bridge=x" ]',
      `xenferry = [ "kind=${kind}", "dirty=100p", "hot=10%" ]`,
    ];
    writeFileSync(file, `${lines.join("\n")}\n`);
    const { stdout, stderr, status } = xenferry("create", file);
    expect(status).toBe(0);
    expect(stdout).toContain("created web");
    expect(stderr).toContain("vif");
  });

  test("saves, verifies, inspects and restores", () => {
    json("create", "--guest", SPEC);
    const profile = json("save", "web", "web.xl", "--profile", "profile.json");
    expect(profile).toMatchObject({ operation: "save", outcome: "completed" });
    const written = readFileSync(path.join(place.runDir, "profile.json"), "utf8");
    expect(parseProfile(written)).toEqual(profile);
    expect(json("verify", "web.xl")).toMatchObject({
      findings: [],
      summary: { isAccepted: true },
    });
    const report = json("inspect", "web.xl");
    expect(report).toMatchObject({ libxc: { version: 3, guest_type: 2 }, faults: [] });
    expect(report.frames.distinct).toBe(1024);
    expect(json("restore", "web.xl", "--name", "again")).toMatchObject({ name: "again" });
    expect(json("check", "again")).toMatchObject({ pagesBad: 0, versionsMatch: true });
  });

  test("migrates to localhost with nothing set up", () => {
    json("create", "--guest", SPEC);
    const profile = json("migrate", "web", "localhost");
    expect(profile.downtime.totalMs).toBeGreaterThan(0);
    expect(json("list")).toMatchObject([{ name: "web", state: "running" }]);
    expect(json("check", "web")).toMatchObject({ pagesBad: 0, versionsMatch: true });
  });

  test("migrates over a unix socket to a waiting receiver", async () => {
    json("create", "--guest", SPEC);
    const address = `unix:${path.join(place.runDir, "wire.sock")}`;
    const args = [MAIN, "--run-dir", place.runDir, "receive", "--json", "--listen", address];
    const receiver = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const lines = createInterface({ input: receiver.stdout });
    const [listening] = await once(lines, "line");
    expect(JSON.parse(listening)).toEqual({ listening: address });
    const arrived = once(lines, "line");
    const ended = once(receiver, "exit");
    const migration = spawn(
      process.execPath,
      [MAIN, "--run-dir", place.runDir, "-q", "migrate", "web", address],
      { stdio: "ignore" },
    );
    const [status] = await once(migration, "exit");
    expect(status).toBe(0);
    expect(JSON.parse((await arrived)[0])).toMatchObject({ arrived: { name: "web" } });
    expect(await ended).toEqual([0, null]);
  });

  test("proves itself with the demo", () => {
    const { stdout, stderr, status } = xenferry("demo", "--guest", SPEC);
    expect(status).toBe(0);
    expect(stderr).toMatch(/engine: \w+[\s\S]*iteration 0: 1,024 pages/);
    expect(stdout).toMatch(/downtime .* = suspend .* \+ resume .*\n[\s\S]*nothing was lost/);
    expect(existsSync(path.join(place.runDir, "xenferry-demo", "profile.json"))).toBe(true);
    const { summary } = json("verify", path.join("xenferry-demo", "demo.xl"));
    expect(summary.isAccepted).toBe(true);
    expect(json("list")).toEqual([]);
  });

  test.each([
    [["list", "--nonsense"], 2, "unknown option"],
    [["create"], 2, "USAGE_ARGUMENT"],
    [["create", "--guest", "process:memory=lots"], 2, "GUEST_CONFIG"],
    [["check", "nobody"], 1, "GUEST_NOT_FOUND"],
    [["verify", "no-such-file"], 1, "TRANSPORT_OPEN"],
    [["--engine", "quantum", "engines"], 2, "ENGINE_UNKNOWN"],
    [["migrate", "nobody", "tcp://x"], 2, "TRANSPORT_ADDRESS"],
  ])("says what is wrong with %j", (args, expected, message) => {
    const { stderr, status } = xenferry(...args);
    expect(stderr).toContain(message);
    expect(status).toBe(expected);
  });

  test("tells errors as JSON where that is asked for", () => {
    const { stderr } = xenferry("--json", "check", "nobody");
    expect(JSON.parse(stderr)).toMatchObject({ error: [{ code: "GUEST_NOT_FOUND" }] });
  });

  test.each(["wasm", "reference"])("lists engines and obeys --engine %s", (engine) => {
    expect(json("--engine", engine, "engines")).toMatchObject({ chosen: engine });
  });
});
