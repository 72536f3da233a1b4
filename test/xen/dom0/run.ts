/** What dom0 runs: the cells of a plan one after the other, each result written as it comes. */
import { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import type { Cell, CellResult, Plan } from "../matrix.ts";
import { carryOut } from "./kinds.ts";
import { Commands } from "./xl.ts";

const JOB = "/job";
const FOLDER = "/tmp/cell";

const startMs = performance.now();
const plan = JSON.parse(readFileSync(path.join(JOB, "plan.json"), "utf8")) as Plan;

for (const [index, cell] of plan.cells.entries()) {
  const leftS = plan.limitS - (performance.now() - startMs) / 1000;
  const result =
    leftS > 0
      ? await runCell(cell, { index, limitS: Math.min(leftS, cell.limitS) })
      : { cell: cell.name, outcome: "not run", reason: "out of time", facts: {}, tookS: 0 };
  appendFileSync(path.join(JOB, "results.jsonl"), `${JSON.stringify(result)}\n`);
}
process.exit(0);

async function runCell(
  cell: Cell,
  { index, limitS }: { readonly index: number; readonly limitS: number },
): Promise<CellResult> {
  const cellStartMs = performance.now();
  const logs = path.join(FOLDER, "logs");
  const folder = path.join(FOLDER, "images");
  mkdirSync(logs, { recursive: true });
  mkdirSync(folder);
  const commands = new Commands(logs, plan.helper);
  const took = () => Number(((performance.now() - cellStartMs) / 1000).toFixed(1));
  const guestName = `${cell.column.name}-${index}`;
  const bench = { column: cell.column, guestName, commands, folder, zeroElision: plan.zeroElision };
  try {
    const facts = await within(limitS, carryOut(cell.row.trial, bench));
    const passed = { cell: cell.name, outcome: "passed" as const, facts, tookS: took() };
    return plan.keepsLogs ? { ...passed, logs: await saveLogs(cell, commands, logs) } : passed;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const saved = await saveLogs(cell, commands, logs);
    return { cell: cell.name, outcome: "failed", reason, facts: {}, tookS: took(), logs: saved };
  } finally {
    commands.killAll();
    await destroyAll(commands);
    rmSync(FOLDER, { recursive: true, force: true });
  }
}

/** @returns the folder, as seen from the job's. */
async function saveLogs(cell: Cell, commands: Commands, logs: string): Promise<string> {
  const to = path.join("logs", cell.name);
  await commands.run(["xl", "list"]);
  await commands.run(["xl", "dmesg"]);
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
    timer = setTimeout(() => reject(new Error(`not done within ${limitS} s`)), limitS * 1000);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
