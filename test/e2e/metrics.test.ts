import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import path from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MAIN, runXenferry } from "../support/command.ts";
import { makeRunDir, type TestRunDir, unavailableKinds } from "../support/guests.ts";

const kind = (await unavailableKinds(["process"])).has("process") ? "synthetic" : "process";
const SPEC = `${kind}:memory=8M,dirty=2000p,hot=25%,vcpus=1,name=web`;

let place: TestRunDir;

beforeEach(async () => {
  place = await makeRunDir();
  expect(xenferry("create", "--guest", SPEC).status).toBe(0);
});

afterEach(() => place.dispose());

const xenferry = (...args: readonly string[]) => runXenferry(place.runDir, ["-q", ...args]);

async function get(url: string, headers: Record<string, string> = {}, method = "GET") {
  const asking = request(url, { headers, method }).end();
  const [response] = await once(asking, "response");
  const { statusCode, headers: told } = response;
  return { statusCode, type: told["content-type"], body: await text(response) };
}

/** Starts a command and waits until it says where its metrics are, or that they linger. */
async function startLingering(...args: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, "--run-dir", place.runDir, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let url = "";
  for await (const line of createInterface({ input: child.stderr! })) {
    url = /^metrics: (http:.*)$/.exec(line)?.[1] ?? url;
    if (line.startsWith("metrics can be read")) {
      break;
    }
  }
  const end = async () => {
    child.kill("SIGINT");
    if (child.exitCode === null) {
      await once(child, "exit");
    }
    return child.exitCode;
  };
  return { url, end };
}

describe("--metrics", () => {
  test("leaves a file, and nothing beside it", () => {
    writeFileSync(path.join(place.runDir, "m.prom"), "old");
    const { status } = xenferry("migrate", "web", "localhost", "--metrics", "m.prom");
    expect(status).toBe(0);
    const lines = readFileSync(path.join(place.runDir, "m.prom"), "utf8").split("\n");
    expect(lines.slice(-2)).toEqual(["# EOF", ""]);
    expect(lines).toContain("# TYPE xenferry_migration_sent_bytes counter");
    expect(lines).toContain("# UNIT xenferry_migration_sent_bytes bytes");
    const labels = 'operation="migrate",guest="web"';
    expect(lines).toContain(`xenferry_migration_outcome{${labels},outcome="completed"} 1`);
    const total = lines.find((line) => line.startsWith("xenferry_migration_downtime_seconds{"));
    const parts = lines.filter((line) => line.startsWith("xenferry_migration_downtime_part"));
    const valueIn = (line: string) => Number(line.split(" ").at(-1));
    expect(parts.map(valueIn).reduce((sum, value) => sum + value, 0)).toBeCloseTo(valueIn(total!));
    expect(readdirSync(place.runDir).filter((name) => name.includes("partial"))).toEqual([]);
  });

  test("tells of a failure, too", () => {
    const args = ["save", "web", "no/folder/web.xl", "--metrics", "m.prom"];
    expect(xenferry(...args).status).toBe(1);
    const written = readFileSync(path.join(place.runDir, "m.prom"), "utf8");
    expect(written).toContain('guest="web",outcome="failed"} 1\n');
  });

  test("is refused where it cannot be written, before anything is touched", () => {
    const { status, stderr } = xenferry("save", "web", "web.xl", "--metrics", "no/folder/m.prom");
    expect([status, stderr]).toEqual([1, expect.stringContaining("TRANSPORT_OPEN")]);
    expect(readdirSync(place.runDir)).not.toContain("web.xl");
  });
});

describe("--metrics-listen", () => {
  test("has the last values of a short migration read, until it is told to end", async () => {
    const listen = ["--metrics-listen", "tcp://127.0.0.1:0", "--metrics-linger", "600"];
    const { url, end } = await startLingering("migrate", "web", "localhost", ...listen);
    const told = await get(url);
    expect(told.statusCode).toBe(200);
    expect(told.type).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
    expect(told.body).toMatch(/^# HELP xenferry_migration_info /);
    expect(told.body).toMatch(/xenferry_migration_downtime_seconds\{[^}]*\} 0\.\d+\n/);
    expect(told.body).toMatch(/\n# EOF\n$/);
    const older = await get(url, { Accept: "text/plain;version=0.0.4" });
    expect(older.type).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(older.body).toContain("# TYPE xenferry_migration_sent_bytes_total counter\n");
    const both = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    expect((await get(url, { Accept: both })).type).toBe(told.type);
    expect((await get(new URL("/", url).href)).statusCode).toBe(404);
    expect((await get(url, {}, "POST")).statusCode).toBe(405);
    expect((await get(url, {}, "HEAD")).body).toBe("");
    expect(await end()).toBe(0);
    expect(JSON.parse(xenferry("--json", "list").stdout)).toMatchObject([{ name: "web" }]);
  });

  test.each([
    [["--metrics-listen", "unix:m"], 2, "TRANSPORT_ADDRESS"],
    [["--metrics-linger", "5"], 2, "--metrics-listen with --metrics-linger"],
    [["--metrics-listen", "tcp://127.0.0.1:0", "--metrics-linger", "-1"], 2, "seconds are needed"],
  ] as const)("refuses %j", (args, status, said) => {
    const told = xenferry("save", "web", "web.xl", ...args);
    expect([told.status, told.stderr]).toEqual([status, expect.stringContaining(said)]);
    expect(readdirSync(place.runDir)).not.toContain("web.xl");
  });
});
