/** What dom0 runs: the cells of a plan one after the other, each result written as it comes. */
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import type { Cell, CellResult, Plan, Versions } from "../matrix.ts";
import { carryOut } from "./kinds.ts";
import { Commands, EmulatorError } from "./xl.ts";

const JOB = "/job";
const FOLDER = "/tmp/cell";
const ATTEMPTS = 3;
/** An HVM or PVH guest with the hypervisor's own code segment: QEMU has mixed up the two. */
const MIXED_UP = /RIP: +e008:.*\n.*CONTEXT: hvm guest/;

class LateError extends Error {}

const startMs = performance.now();
const plan = JSON.parse(readFileSync(path.join(JOB, "plan.json"), "utf8")) as Plan;

const versionOf = (...words: string[]) => execFileSync(words[0]!, words.slice(1)).toString().trim();
const versions: Versions = {
  xen: versionOf("xl", "info", "xen_version"),
  dom0: `Linux ${versionOf("uname", "-r")}`,
  deviceModel: versionOf("/usr/libexec/xen-qemu-system-i386", "--version").split("\n")[0]!,
};
writeFileSync(path.join(JOB, "versions.json"), JSON.stringify(versions));

const results = path.join(JOB, "results.jsonl");
const done = existsSync(results) ? readFileSync(results, "utf8") : "";

for (const [index, cell] of plan.cells.entries()) {
  if (done.includes(`{"cell":"${cell.name}",`)) {
    continue;
  }
  const leftS = plan.limitS - (performance.now() - startMs) / 1000;
  const result =
    leftS > 0
      ? await runCell(cell, { index, limitS: Math.min(leftS, cell.limitS) })
      : outOfTime(cell, 0);
  appendFileSync(results, `${JSON.stringify(result)}\n`);
}
process.exit(0);

/** Tries a cell again where the emulator is to blame for its failure. */
async function runCell(
  cell: Cell,
  { index, limitS }: { readonly index: number; readonly limitS: number },
): Promise<CellResult> {
  const reasons: string[] = [];
  for (let attempt = 1; ; attempt += 1) {
    const guestName = `${cell.column.name}-${index}-${attempt}-${process.pid}`;
    const { result, isEmulatorsFault } = await tryCell(cell, { guestName, limitS });
    if (!isEmulatorsFault || attempt === ATTEMPTS) {
      const retried = { attempts: attempt, retriedFor: reasons.join("; ") };
      return attempt === 1 ? result : { ...result, facts: { ...result.facts, ...retried } };
    }
    reasons.push(result.reason ?? "");
  }
}

async function tryCell(
  cell: Cell,
  { guestName, limitS }: { readonly guestName: string; readonly limitS: number },
): Promise<{ readonly result: CellResult; readonly isEmulatorsFault: boolean }> {
  const cellStartMs = performance.now();
  const logs = path.join(FOLDER, "logs");
  const folder = path.join(FOLDER, "images");
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(logs, { recursive: true });
  mkdirSync(folder);
  const { column, row } = cell;
  const ours = { ...plan.programs, environment: row.environment ?? {} };
  const commands = new Commands(logs, ours);
  const result = { cell: cell.name, outcome: "passed" as const, facts: {}, tookS: 0 };
  const took = () => Number(((performance.now() - cellStartMs) / 1000).toFixed(1));
  await commands.run(["xl", "dmesg", "-c"]);
  try {
    const facts = await within(
      limitS,
      carryOut(row.trial, { column, guestName, commands, folder }),
    );
    const passed = { ...result, facts, tookS: took() };
    const kept = plan.keepsLogs ? { logs: await saveLogs(cell, commands, logs) } : {};
    return { result: { ...passed, ...kept }, isEmulatorsFault: false };
  } catch (error) {
    if (error instanceof LateError && limitS < cell.limitS) {
      return { result: outOfTime(cell, took()), isEmulatorsFault: false };
    }
    const reason = error instanceof Error ? error.message : String(error);
    const tookS = took();
    const { lines } = await commands.run(["xl", "dmesg"]);
    const kept = await saveLogs(cell, commands, logs);
    const isEmulatorsFault =
      error instanceof EmulatorError || MIXED_UP.test(lines.map(({ text }) => text).join("\n"));
    return {
      result: { ...result, outcome: "failed", reason, tookS, logs: kept },
      isEmulatorsFault,
    };
  } finally {
    commands.end();
    await destroyAll(new Commands(logs, ours));
    rmSync(FOLDER, { recursive: true, force: true });
  }
}

function outOfTime({ name }: Cell, tookS: number): CellResult {
  return { cell: name, outcome: "not run", reason: "out of time", facts: {}, tookS };
}

/** @returns the folder, as seen from the job's. */
async function saveLogs(cell: Cell, commands: Commands, logs: string): Promise<string> {
  const to = path.join("logs", cell.name);
  await commands.run(["xl", "list"]);
  cpSync(logs, path.join(JOB, to), { recursive: true });
  cpSync("/var/log/xen", path.join(JOB, to, "xen"), { recursive: true });
  return to;
}

async function destroyAll(commands: Commands): Promise<void> {
  const { lines } = await commands.run(["xl", "list"]);
  for (const { text } of lines.slice(1)) {
    const [name, domid] = text.split(/\s+/);
    if (name !== "Domain-0") {
      await commands.run(["xl", "destroy", domid!]);
    }
  }
}

async function within<Value>(limitS: number, work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new LateError(`not done within ${limitS} s`)), limitS * 1000);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
