import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { answerQuestions, askFarEnd } from "../../src/xl/far-end.ts";
import { shellCommand } from "../../src/xl/quote.ts";

const AHEAD_MS = 5_000_000;
const HELPER = '{"saveHelper":"/opt/helper"}';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "xenferry-far-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Asks a program of JavaScript; `answer` is called for each question. */
function ask(before: string, answer: string, signal = new AbortController().signal) {
  const file = path.join(folder, "far.mjs");
  const lines = [
    'import { createInterface } from "node:readline";',
    before,
    `for await (const line of createInterface({ input: process.stdin })) { ${answer} }`,
  ];
  writeFileSync(file, lines.join("\n"));
  return askFarEnd(shellCommand([process.execPath, file]), { environment: process.env, signal });
}

const NOW = "Number(process.hrtime.bigint()) / 1e6";
const TELL = `console.log(JSON.stringify({ clockMs: ${NOW} + ${AHEAD_MS} }));`;

test("learns the helper and how far ahead the clock is", async () => {
  const there = await ask(`console.log('${HELPER}');`, TELL);
  expect(there).toMatchObject({ saveHelper: "/opt/helper" });
  const { clock } = there as Extract<typeof there, { clock: unknown }>;
  expect(clock.uncertaintyMs).toBeGreaterThan(0);
  expect(Math.abs(clock.offsetMs + AHEAD_MS)).toBeLessThanOrEqual(clock.uncertaintyMs);
});

test("passes over what a login prints", async () => {
  const greeting = `console.log("Welcome!\\n{}\\n[1, 2"); console.log('${HELPER}');`;
  expect(await ask(greeting, TELL)).toMatchObject({ saveHelper: "/opt/helper" });
});

test("gives the last words of what cannot answer", async () => {
  expect(await ask('console.error("bash: xenferry: not found"); process.exit(127);', "")).toEqual({
    reason: "bash: xenferry: not found",
  });
  expect(await ask("process.exit(9);", "")).toEqual({ reason: "it ended with status 9" });
});

test("does not believe a helper that is no path, or a clock that is no number", async () => {
  const noPath = `console.log('{"saveHelper":"helper"}'); process.exit(0);`;
  expect(await ask(noPath, "")).toHaveProperty("reason");
  const noNumber = `console.log('{"clockMs":"late"}'); process.exit(0);`;
  expect(await ask(`console.log('${HELPER}');`, noNumber)).toHaveProperty("reason");
});

test("fails where ssh does not get there", async () => {
  const failing = ask('console.error("ssh: no route"); process.exit(255);', "");
  await expect(failing).rejects.toMatchObject({
    code: "TRANSPORT_OPEN",
    where: { reason: "ssh: no route" },
  });
});

test("can be interrupted", async () => {
  const asked = new AbortController();
  const asking = ask("setInterval(() => undefined, 1000);", "", asked.signal);
  asked.abort();
  await expect(asking).rejects.toMatchObject({ code: "MIGRATION_INTERRUPTED" });
});

test("answers as it asks", async () => {
  const told: string[] = [];
  async function* questions() {
    yield* ["clock", "what?", "clock"];
  }
  await answerQuestions(questions(), {
    saveHelper: "/opt/helper",
    clock: { nowMs: () => 7.5 },
    tell: (line) => told.push(line),
  });
  expect(told).toEqual([HELPER, '{"clockMs":7.5}', '{"clockMs":7.5}']);
});
