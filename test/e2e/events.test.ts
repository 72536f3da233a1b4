import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type EventLine, parseEventLine } from "../../src/report/event-lines.ts";
import { MAIN, runXenferry } from "../support/command.ts";
import { makeRunDir, type TestRunDir, unavailableKinds } from "../support/guests.ts";

const kind = (await unavailableKinds(["process"])).has("process") ? "synthetic" : "process";
const SPEC = `${kind}:memory=8M,dirty=2000p,hot=25%,vcpus=1,name=web`;

let place: TestRunDir;
const children: ChildProcess[] = [];

beforeEach(async () => {
  place = await makeRunDir();
  expect(xenferry("create", "--guest", SPEC).status).toBe(0);
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill("SIGKILL");
  }
  await place.dispose();
});

const at = (name: string) => path.join(place.runDir, name);
const xenferry = (...args: readonly string[]) => runXenferry(place.runDir, ["-q", ...args]);

function linesOf(text: string): readonly EventLine[] {
  expect(text.endsWith("\n")).toBe(true);
  return text.trimEnd().split("\n").map(parseEventLine);
}

/** What sets events apart, as words. */
function wordsOf(lines: readonly EventLine[]): readonly string[] {
  return lines.map((line) => {
    switch (line.event) {
      case "phase":
        return line.phase;
      case "step":
        return line.step;
      case "decision":
        return line.action;
      default:
        return line.event;
    }
  });
}

function isRising(lines: readonly EventLine[]): boolean {
  const times = lines.map((line) => ("atMs" in line ? line.atMs : 0));
  return times.every((atMs, index) => index === 0 || atMs >= times[index - 1]!);
}

describe("--events", () => {
  test("of a migration tells all, in its order, in a file", () => {
    const { status, stdout } = xenferry("migrate", "web", "localhost", "--events", "e.ndjson");
    expect(status).toBe(0);
    expect(stdout).toContain("web now runs at localhost");
    const lines = linesOf(readFileSync(at("e.ndjson"), "utf8"));
    const words = wordsOf(lines.filter(({ event }) => event !== "progress"));
    expect(words.slice(0, 4)).toEqual(["started", "setup", "precopy", "iteration"]);
    expect(words.slice(-9)).toEqual([
      "stop-and-copy",
      "suspend",
      "stop-and-copy",
      "iteration",
      "state",
      "handover",
      "resume",
      "done",
      "ended",
    ]);
    expect(isRising(lines)).toBe(true);
    expect(lines[0]).toMatchObject({ operation: "migrate", guest: "web", eventsVersion: 1 });
    const ended = lines.at(-1)!;
    expect(ended).toMatchObject({ outcome: "completed", guest: "web" });
    const iterations = lines.flatMap((line) =>
      line.event === "iteration" ? [line.statistics] : [],
    );
    const pagesSent = iterations.reduce((sum, { pagesSent: pages }) => sum + pages, 0);
    expect(ended).toMatchObject({ totalPagesSent: pagesSent });
  });

  test("of a save and a restore on standard output are all that is there", () => {
    const saved = xenferry("save", "web", "web.xl", "--events", "-");
    expect(saved.status).toBe(0);
    expect(linesOf(saved.stdout).at(-1)).toMatchObject({ event: "ended", outcome: "completed" });
    const restored = xenferry("--json", "restore", "web.xl", "--events", "-");
    expect(wordsOf(linesOf(restored.stdout).filter(({ event }) => event !== "taken"))).toEqual([
      "started",
      "guest",
      "memory",
      "state",
      "restored",
      "started",
      "ended",
    ]);
  });

  test("tell how an operation failed", () => {
    expect(xenferry("save", "web", "web.xl").status).toBe(0);
    const cut = { "cut.xl": readFileSync(at("web.xl")).subarray(0, 100_000) };
    const args = ["-q", "restore", "cut.xl", "--events", "-"];
    const { status, stdout } = runXenferry(place.runDir, args, cut);
    expect(status).toBe(1);
    expect(linesOf(stdout).at(-1)).toMatchObject({
      event: "ended",
      outcome: "failed",
      errorCode: "STREAM_TRUNCATED",
      guest: "web",
    });
  });

  test("of a receiver come as they happen, guest by guest", async () => {
    const command = [MAIN, "--run-dir", place.runDir, "-q", "receive", "--keep", "--events", "-"];
    const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    const next = async () => parseEventLine((await lines.next()).value!);
    const first = await next();
    if (first.event !== "listening") {
      throw new Error(`${first.event} instead of "listening"`);
    }
    for (const arrival of ["first", "second"]) {
      const args = [MAIN, "--run-dir", place.runDir, "-q", "migrate", "web", first.address];
      const migrating = spawn(process.execPath, args, { stdio: "ignore" });
      const seen: EventLine[] = [];
      while (seen.at(-1)?.event !== "ended") {
        seen.push(await next());
      }
      expect(seen[0], arrival).toMatchObject({ event: "started", operation: "receive" });
      expect(wordsOf(seen).slice(-3)).toEqual(["started", "reported", "ended"]);
      if (migrating.exitCode === null) {
        await once(migrating, "exit");
      }
      expect(migrating.exitCode).toBe(0);
    }
    child.kill("SIGTERM");
    await once(child, "exit");
  });

  test("do not hold a migration up, whoever does not read", () => {
    execFileSync("mkfifo", [at("pipe")]);
    const reader = openSync(at("pipe"), constants.O_RDWR | constants.O_NONBLOCK);
    // As much as the pipe has room for.
    const room = Buffer.alloc(4096);
    expect(() => {
      for (;;) {
        writeSync(reader, room);
      }
    }).toThrow("EAGAIN");
    const { status } = xenferry("migrate", "web", "localhost", "--events", "pipe");
    closeSync(reader);
    expect(status).toBe(0);
    expect(JSON.parse(xenferry("--json", "list").stdout)).toMatchObject([{ name: "web" }]);
  });

  test("are refused where they cannot go, before anything is touched", () => {
    const wire = xenferry("receive", "--stdio", "--events", "-");
    expect([wire.status, wire.stdout]).toEqual([2, ""]);
    expect(wire.stderr).toContain("standard output is the wire");
    const nowhere = xenferry("save", "web", "web.xl", "--events", "no/such/folder");
    expect(nowhere.status).toBe(1);
    expect(nowhere.stderr).toContain("TRANSPORT_OPEN");
    expect(JSON.parse(xenferry("--json", "list").stdout)).toMatchObject([{ state: "running" }]);
  });
});
