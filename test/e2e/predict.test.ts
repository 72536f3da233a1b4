import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeRunDir, type TestRunDir, unavailableKinds } from "../support/guests.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MAIN = path.join(ROOT, "dist", "cli", "main.js");
const kind = (await unavailableKinds(["process"])).has("process") ? "synthetic" : "process";
const SPEC = `${kind}:memory=8M,dirty=500p,hot=25%,fill=random,name=web`;

let place: TestRunDir;

beforeEach(async () => {
  place = await makeRunDir();
});

afterEach(() => place.dispose());

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

function failure(...args: readonly string[]) {
  const { stderr, status } = xenferry("--json", "-q", ...args);
  expect(status).not.toBe(0);
  // A receiver that was started for it may have its say before.
  const [first] = JSON.parse(stderr.slice(stderr.indexOf('{"error"'))).error;
  return { status, code: first.code };
}

describe("predict", () => {
  test("says what a migration would come to, and leaves the guest as it is", () => {
    json("create", "--guest", SPEC);
    const args = ["predict", "web", "--bandwidth", "20MB", "--time", "0.4"];
    const report = json(...args);
    expect(report).toMatchObject({
      guest: { name: "web", memoryBytes: 8 << 20 },
      census: { dataPages: 2048, emptyPages: 0 },
      link: { bytesPerSecond: 20e6 },
      downtimeTargetMs: 50,
    });
    const policies = report.predictions.map(({ policy }: { policy: string }) => policy);
    expect(policies).toEqual(["downtime", "deadline", "minimum", "xen"]);
    expect(policies).toContain(report.best);
    const [downtime] = report.predictions;
    // 8.4 MB at 20 MB/s; some pages go twice.
    expect(downtime.totalMs.expected).toBeGreaterThan(420);
    expect(downtime.totalMs.expected).toBeLessThan(1500);
    expect(json("list")).toMatchObject([{ name: "web", state: "running" }]);
    expect(json("check", "web")).toMatchObject({ pagesBad: 0, versionsMatch: true });
    const { stdout } = xenferry(...args);
    expect(stdout).toContain("web: 8.00 MiB, 2,048 pages of data");
    expect(stdout).toContain("what looking cost it");
    expect(stdout).toMatch(/^choose: --policy \w+/m);
  });

  test("measures migrations of another guest to localhost, of which nothing is left", () => {
    json("create", "--guest", SPEC);
    const { probe, link } = json("predict", "web", "localhost", "--time", "0.2");
    expect(probe.migrations).toBe(2);
    expect(probe.handoverMs).toBeGreaterThan(0);
    expect(link.bytesPerSecond).toBe(probe.bytesPerSecond);
    expect(json("list")).toMatchObject([{ name: "web" }]);
  });

  test("needs to know what carries the guest", () => {
    json("create", "--guest", SPEC);
    expect(failure("predict", "web")).toMatchObject({ status: 2, code: "USAGE_ARGUMENT" });
    expect(failure("predict", "web", "tcp://10.0.0.1:1")).toMatchObject({ code: "USAGE_ARGUMENT" });
    expect(failure("predict", "nobody", "localhost")).toMatchObject({ code: "GUEST_NOT_FOUND" });
  });
});

describe("simulate", () => {
  test("compares policies on traces and profiles, the same each time", () => {
    json("create", "--guest", SPEC);
    json("migrate", "web", "localhost", "--profile", "web.json");
    const report = json("simulate", "build", "web.json");
    const [build, web] = report.traces;
    const policies = build.policies.map(({ policy }: { policy: string }) => policy);
    expect(policies).toEqual(["downtime", "deadline", "minimum", "xen", "limit"]);
    expect(web).toMatchObject({ name: "web" });
    expect(json("simulate", "build", "web.json")).toEqual(report);
  });

  test("shows a table, and why each policy stopped", () => {
    const { stdout } = xenferry("simulate", "thrash", "--policy", "xen");
    expect(stdout).toMatch(/^policy +iterations +downtime +total time +sent +regret ms/m);
    expect(stdout).toMatch(/^best possible +1 /m);
    expect(stdout).toMatch(/^xen +5 /m);
    expect(stdout).toContain("xen: 5 iterations");
  });

  test("names a trace that is none", () => {
    writeFileSync(path.join(place.runDir, "bad.json"), '{ "traceVersion": 1 }');
    expect(failure("simulate", "bad.json")).toMatchObject({ code: "TRACE_INVALID" });
    expect(failure("simulate", "missing")).toMatchObject({ code: "TRANSPORT_OPEN" });
  });
});

/** The example of a policy in the README, as it stands there. */
function exampleInReadme(): string {
  const readme = readFileSync(path.join(ROOT, "README.md"), "utf8");
  const [, example] = /```js\n(\/\/ mine\.js\n.*?)```/s.exec(readme) ?? [];
  return example!;
}

describe("a policy of the user's own", () => {
  test("as in the README decides, and is named in the profile", () => {
    writeFileSync(path.join(place.runDir, "mine.js"), exampleInReadme());
    writeFileSync(path.join(place.runDir, "package.json"), '{ "type": "module" }');
    json("create", "--guest", SPEC);
    const args = ["migrate", "web", "localhost", "--policy", "./mine.js", "--downtime", "40"];
    expect(json(...args)).toMatchObject({
      policy: { name: "patient", parameters: { downtimeTargetMs: 40 } },
    });
  });

  test("that decides nothing leaves the guest running", () => {
    writeFileSync(
      path.join(place.runDir, "bad.mjs"),
      "export default { name: 'bad', decide: () => 'now' };\n",
    );
    json("create", "--guest", SPEC);
    const failed = failure("migrate", "web", "localhost", "--policy", "./bad.mjs");
    expect(failed).toEqual({ status: 1, code: "POLICY_DECISION" });
    expect(json("list")).toMatchObject([{ name: "web", state: "running" }]);
  });

  test("has to be there, and a name to be known", () => {
    json("create", "--guest", SPEC);
    const failed = failure("save", "web", "web.xl", "--policy", "./missing.mjs");
    expect(failed).toEqual({ status: 2, code: "POLICY_MODULE" });
    expect(xenferry("save", "web", "web.xl", "--policy", "quick").status).toBe(2);
  });
});
