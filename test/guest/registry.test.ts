import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkGuestName, openRegistry, type Registry } from "../../src/guest/registry.ts";

let runDir: string;
let registry: Registry;

beforeEach(async () => {
  runDir = await mkdtemp(path.join(os.tmpdir(), "xenferry-registry-"));
  registry = await openRegistry(runDir);
});

afterEach(() => rm(runDir, { recursive: true, force: true }));

/** The pid of a process that has just ended and was reaped. */
async function adoptedByTheDead(name: string): Promise<void> {
  const child = spawn(process.execPath, ["-e", "process.stdin.resume()"]);
  await once(child, "spawn");
  await registry.adopt(await registry.reserve(name, "process", "{}"), child.pid!);
  child.kill("SIGKILL");
  await once(child, "exit");
}

test("a reserved guest is found and listed with what it was reserved with", async () => {
  const entry = await registry.reserve("web", "process", '{"a":1}');
  expect(await registry.find("web")).toEqual(entry);
  expect(entry).toMatchObject({ name: "web", kind: "process", configText: '{"a":1}' });
  expect(entry.process.pid).toBe(process.pid);
  expect(await registry.list()).toEqual([entry]);
});

test("a name is given once, however many ask at the same time", async () => {
  const attempts = Array.from({ length: 8 }, () => registry.reserve("web", "process", "{}"));
  const outcomes = await Promise.allSettled(attempts);
  const losers = outcomes.filter((outcome) => outcome.status === "rejected");
  expect(losers).toHaveLength(7);
  expect(losers.every(({ reason }) => reason.code === "GUEST_NAME_TAKEN")).toBe(true);
  expect(await readdir(path.join(runDir, "guests"))).toEqual(["web"]);
});

test("the entry of a dead process is lost, not listed, and its name is free", async () => {
  await adoptedByTheDead("web");
  await expect(registry.find("web")).rejects.toMatchObject({ code: "GUEST_LOST" });
  expect(await registry.list()).toEqual([]);
  await expect(registry.find("web")).rejects.toMatchObject({ code: "GUEST_NOT_FOUND" });

  await adoptedByTheDead("db");
  expect((await registry.reserve("db", "process", "{}")).process.pid).toBe(process.pid);
});

test("rename moves a guest, and never over a living one", async () => {
  const incoming = await registry.reserve("web--incoming", "process", "{}");
  const renamed = await registry.rename("web--incoming", "web");
  expect(renamed).toEqual({ ...incoming, name: "web", folder: path.join(runDir, "guests/web") });
  expect(existsSync(incoming.folder)).toBe(false);

  await registry.reserve("db", "process", "{}");
  const taken = registry.rename("db", "web");
  await expect(taken).rejects.toMatchObject({ code: "GUEST_NAME_TAKEN" });
  const missing = registry.rename("none", "other");
  await expect(missing).rejects.toMatchObject({ code: "GUEST_NOT_FOUND" });

  await adoptedByTheDead("old");
  expect((await registry.rename("db", "old")).name).toBe("old");
});

test("remove takes a guest's traces, but not those of a later guest of the name", async () => {
  const entry = await registry.reserve("web", "process", "{}");
  await registry.remove({ ...entry, process: { pid: 1, start: "another" } });
  expect(await registry.find("web")).toEqual(entry);
  await registry.remove(entry);
  await registry.remove(entry);
  expect(await readdir(path.join(runDir, "guests"))).toEqual([]);
});

test.each(["a", "web-1", "A.b_c", "_x", "x".repeat(64), `${"x".repeat(64)}--incoming`])(
  "%s is a name",
  (name) => checkGuestName(name),
);

test.each(["", ".", "..", ".x", "-x", "a/b", "a b", "ä", "x".repeat(65), "--incoming", "a\n"])(
  "%j is no name",
  (name) => {
    expect(() => checkGuestName(name)).toThrow(expect.objectContaining({ code: "GUEST_CONFIG" }));
  },
);
