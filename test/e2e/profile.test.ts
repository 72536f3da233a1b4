import { readFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { loadNativeEngine } from "../../src/engine/native.ts";
import { loadWasmEngine } from "../../src/engine/wasm.ts";
import { ProfileRecording } from "../../src/migration/profile-recording.ts";
import type { ProgressEvent } from "../../src/migration/progress.ts";
import { type Profile, parseProfile } from "../../src/report/profile.ts";
import { probePump } from "../../src/transport/pump-addon.ts";
import { runXenferry } from "../support/command.ts";
import { makeRunDir, storesMore, type TestRunDir, unavailableKinds } from "../support/guests.ts";
import { createGuest, migrateHere } from "../support/migration.ts";

const kind = (await unavailableKinds(["process"])).has("process") ? "synthetic" : "process";
const SPEC = `${kind}:memory=8M,dirty=2000p,hot=25%,vcpus=1,name=web`;
const isNative = kind === "process" && probePump().addon !== undefined;

let place: TestRunDir;

beforeEach(async () => {
  place = await makeRunDir();
});

afterEach(async () => {
  await place.dispose();
});

/** Has each of `notes` called before the member of its name, too. */
function noted<Part extends object>(
  part: Part,
  notes: Partial<Record<keyof Part, () => void>>,
): Part {
  return new Proxy(part, {
    get: (_, name) => {
      const member: unknown = Reflect.get(part, name, part);
      const note = notes[name as keyof Part];
      return typeof member !== "function"
        ? member
        : (...args: unknown[]) => {
            note?.();
            return Reflect.apply(member, part, args) as unknown;
          };
    },
  });
}

/** Migrates within this process, recording everything; notes what is asked of guest and engine. */
async function migrateRecorded(name: "native" | "wasm", changes: object = {}) {
  const calls: string[] = [];
  const note = (call: string) => () => void calls.push(call);
  const engine = noted(name === "native" ? loadNativeEngine() : loadWasmEngine(), {
    countBitmap: note("countBitmap"),
  });
  const plain = await createGuest(place.runDir, SPEC);
  await storesMore(plain, 50);
  const logDirty = noted(plain.logDirty, { peekDirty: note("peekDirty") });
  const guest = { ...noted(plain, { suspend: note("suspension") }), logDirty };
  const startMs = systemClock.nowMs();
  const recording = new ProfileRecording({ clock: systemClock, startMs, sent: { guest, engine } });
  const taken = new ProfileRecording({ clock: systemClock, startMs });
  const onProgress = (event: ProgressEvent) => {
    if (event.kind === "phase") {
      calls.push(event.phase);
    }
    recording.listener(event);
  };
  const { source, target } = await migrateHere(place.runDir, guest, {
    engine,
    onProgress,
    onTaken: taken.listener,
    startMs,
    watch: recording.watch,
    ...changes,
  });
  calls.push("finish");
  await guest.cleanup();
  if (source.status !== "fulfilled" || target.status !== "fulfilled") {
    throw new Error("the migration failed", { cause: [source, target] });
  }
  const there = await taken.finish();
  return { ...source.value, ...(await recording.finish()), calls, target: target.value, there };
}

describe.each(["native", "wasm"] as const)("a recording of a migration by %s", (name) => {
  const isHere = name === "wasm" || isNative;

  test.runIf(isHere)("tells where pages were dirty, and when what happened", async () => {
    const { heat, events, samples, iterations, totalBytes, there } = await migrateRecorded(name);
    const sums = heat?.rows.map(({ dirtyPages }) => dirtyPages.reduce((sum, n) => sum + n, 0));
    expect(heat?.pfnsPerCell).toBe(64);
    expect(heat?.rows.map(({ iteration }) => iteration)).toEqual(iterations.map((_, i) => i));
    expect(sums?.slice(0, -1)).toEqual(
      iterations.slice(0, -1).map(({ pagesPlanned }) => pagesPlanned),
    );
    expect(sums?.at(-1)).toBeLessThanOrEqual(iterations.at(-1)!.pagesPlanned);
    const words = events?.map(({ event }) => event.replace(/ \(.*/, ""));
    const decided = iterations.slice(0, -1).map(() => "decision: continue");
    decided[decided.length - 1] = "decision: stop-and-copy";
    expect(words).toEqual([
      "setup",
      "precopy",
      ...decided,
      "suspend",
      "stop-and-copy",
      "state",
      "handover",
      "resume",
      "done",
    ]);
    expect(samples?.at(-1)?.bytes).toBeLessThanOrEqual(totalBytes);
    expect(samples?.at(-1)?.pages).toBe(
      iterations.reduce((sum, one) => sum + one.pagesSent + one.pagesAllocateOnly, 0),
    );
    expect(there.events?.map(({ event }) => event)).toEqual([
      "guest",
      "memory",
      "state",
      "restored",
      "ready",
      "permitted",
      "started",
      "reported",
    ]);
    expect(there.samples?.at(-1)?.pages).toBe(
      iterations.reduce((sum, { pagesSent }) => sum + pagesSent, 0),
    );
  });

  test.runIf(isHere)("says what iterations consist of, one behind the other", async () => {
    const { iterations, target } = await migrateRecorded(name);
    let endMs = 0;
    for (const { startMs, durationMs, parts, phase } of iterations) {
      expect(startMs).toBeGreaterThanOrEqual(endMs);
      endMs = startMs! + durationMs;
      expect(parts?.drainMs === undefined).toBe(phase === "stop-and-copy");
    }
    const [first] = iterations;
    expect(first?.parts).toMatchObject({ zeroMs: expect.any(Number) });
    expect(Object.keys(first!.parts!)).toContain(name === "native" ? "writeMs" : "waitMs");
    expect(Object.values(first!.parts!).every((ms) => ms! >= 0)).toBe(true);
    expect(name === "wasm" || target.intake.storeMs! > 0).toBe(true);
  });

  test.runIf(isHere)("asks nothing of anybody while the guest stands still", async () => {
    const { calls, heat } = await migrateRecorded(name);
    const standStill = calls.slice(calls.indexOf("suspend"), calls.indexOf("done"));
    expect(standStill).toEqual([
      "suspend",
      "suspension",
      "stop-and-copy",
      "state",
      "handover",
      "resume",
    ]);
    expect(heat?.rows.length).toBeGreaterThan(1);
  });

  test.runIf(isHere)("looks into long iterations", async () => {
    const { iterations } = await migrateRecorded(name, { bytesPerSecondMax: 20 << 20 });
    const [first] = iterations;
    const curve = first!.dirtyCurve!;
    expect(curve.length).toBeGreaterThanOrEqual(1);
    expect(curve[0]!.atMs).toBeGreaterThanOrEqual(99);
    expect(curve.at(-1)!.atMs).toBeLessThanOrEqual(first!.durationMs);
    expect(curve.at(-1)!.dirtyPages).toBeLessThanOrEqual(Number(first!.dirtyPagesAtEnd));
  });
});

function profileIn(name: string): Profile {
  return parseProfile(readFileSync(path.join(place.runDir, name), "utf8"));
}

function xenferry(...args: readonly string[]) {
  const { stdout, stderr, status } = runXenferry(place.runDir, ["--json", "-q", ...args]);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout === "" ? undefined : JSON.parse(stdout);
}

/** What every profile of `--profile` has. */
const RECORDED = {
  outcome: "completed",
  clock: { bootId: expect.stringMatching(/^[0-9a-f-]{36}$/), startMs: expect.any(Number) },
  resources: { memoryBytesMax: expect.any(Number) },
};

describe("--profile", () => {
  test("of a migration within this machine tells of both ends on one clock", () => {
    xenferry("create", "--guest", SPEC);
    const told = xenferry("migrate", "web", "localhost", "--profile", "p.json");
    const source = profileIn("p.json");
    const target = profileIn("p.target.json");
    expect(told).toEqual(source);
    expect(source).toMatchObject({ ...RECORDED, operation: "migrate" });
    expect(target).toMatchObject({ ...RECORDED, operation: "receive", iterations: [] });
    expect(target.clock?.bootId).toBe(source.clock?.bootId);
    expect([source.guest.name, target.guest.name]).toEqual(["web", "web"]);
    const offsetMs = target.clock!.startMs - source.clock!.startMs;
    const at = ({ events }: Profile, name: string) =>
      events!.find(({ event }) => event === name)!.atMs;
    const permitted = at(target, "permitted") + offsetMs;
    expect(permitted).toBeGreaterThanOrEqual(at(source, "resume"));
    expect(at(target, "started") + offsetMs).toBeLessThanOrEqual(at(source, "done"));
    expect(readFileSync(path.join(place.runDir, "p.json"), "utf8")).toMatch(
      /"dirtyPages": \[64,64(,\d+)+\]\n/,
    );
  });

  test("of a save and its restore", () => {
    xenferry("create", "--guest", SPEC);
    xenferry("save", "web", "web.xl", "--profile", "s.json");
    expect(profileIn("s.json")).toMatchObject({ ...RECORDED, operation: "save" });
    xenferry("restore", "web.xl", "--name", "again", "--profile", "r.json");
    const { events, totalPagesSent, samples, guest } = profileIn("r.json");
    expect(guest.name).toBe("again");
    expect(events?.map(({ event }) => event)).toEqual([
      "guest",
      "memory",
      "state",
      "restored",
      "started",
    ]);
    expect(samples?.at(-1)?.pages).toBe(totalPagesSent);
  });

  test("of a restore that fails says so, once there is a guest to speak of", () => {
    xenferry("create", "--guest", SPEC);
    xenferry("save", "web", "web.xl");
    const image = path.join(place.runDir, "web.xl");
    const damaged = ["--json", "-q", "restore", "cut.xl", "--profile", "r.json"];
    const { status } = runXenferry(place.runDir, damaged, {
      "cut.xl": readFileSync(image).subarray(0, 100_000),
    });
    expect(status).toBe(1);
    expect(profileIn("r.json")).toMatchObject({
      outcome: "failed",
      errorCode: "STREAM_TRUNCATED",
      operation: "restore",
    });
  });

  test("is left out of what is told without it", () => {
    xenferry("create", "--guest", SPEC);
    const told = xenferry("save", "web", "web.xl");
    expect(Object.keys(told)).not.toEqual(expect.arrayContaining(["heat"]));
    expect(told.events).toBeUndefined();
  });
});

describe("xenferry trace", () => {
  test("makes a trace of both ends of a migration", () => {
    xenferry("create", "--guest", SPEC);
    xenferry("migrate", "web", "localhost", "--profile", "p.json");
    const told = xenferry("trace", "p.json", "p.target.json", "-o", "t.json");
    expect(told).toMatchObject({ output: "t.json", runs: ["p"] });
    const { traceEvents } = JSON.parse(readFileSync(path.join(place.runDir, "t.json"), "utf8"));
    expect(traceEvents).toHaveLength(told.events);
    const named = (pid: number) =>
      (traceEvents as { pid: number; ph: string; name: string }[])
        .filter((event) => event.pid === pid && event.ph === "X")
        .map(({ name }) => name);
    expect(named(1)).toEqual(expect.arrayContaining(["precopy", "iteration 0", "hand-over"]));
    expect(named(2)).toEqual(expect.arrayContaining(["memory", "permitted", "started"]));
  });

  test("refuses what is no profile", () => {
    const { status, stderr } = runXenferry(place.runDir, ["trace", "x.json"], {
      "x.json": Buffer.from('{"profileVersion": 2}'),
    });
    expect([status, stderr]).toEqual([1, expect.stringContaining("REPORT_INPUT")]);
  });
});
