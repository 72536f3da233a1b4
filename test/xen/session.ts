/** The cells of one kind of hypervisor, in as many boots as it takes to have a result for each. */
import { copyFileSync, cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { emptyFolder, type Lab, NoLabError } from "./lab.ts";
import type { Cell, CellResult, Hypervisor, Plan, Versions } from "./matrix.ts";
import { PROGRAMS, pack, UNPACKED } from "./package.ts";
import { renderResult } from "./report.ts";

export interface BootRecord {
  readonly hypervisor: Hypervisor;
  readonly versions?: Versions;
  readonly tookS: number;
  readonly cellsS: number;
}

interface SessionOptions {
  readonly lab: Lab;
  /** The checkout. */
  readonly root: string;
  /** Where each boot gets its job's folder. */
  readonly folder: string;
  /** For all boots together. */
  readonly limitS: number;
  /** Keeps the logs of cells that pass, too. */
  readonly keepsLogs: boolean;
}

/** For a boot and a shutdown, on a machine that has other things to do as well. */
const BOOT_LIMIT_S = 120;
const RUN = `#!/bin/bash
: > started
mkdir ${UNPACKED}
tar -C ${UNPACKED} -xf package.tar 2> /dev/null
ln -s ${UNPACKED}/dist/cli/main.js /usr/local/bin/xenferry
# Emulated, Node.js itself has been seen to crash; what has a result is not run again.
for _ in 1 2 3; do
    node js/test/xen/dom0/run.js && exit
done
`;

export class Session {
  readonly results: CellResult[] = [];
  readonly boots: BootRecord[] = [];
  readonly #options: SessionOptions;
  readonly #endMs: number;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#endMs = performance.now() + options.limitS * 1000;
  }

  /**
   * Runs cells, each once. A cell during which the lab stops has failed; the rest gets a new boot.
   *
   * @throws NoLabError where the lab does not come up.
   */
  async runAll(cells: readonly Cell[], hypervisor: Hypervisor): Promise<void> {
    let pending = cells;
    while (pending.length > 0) {
      const leftS = Math.round((this.#endMs - performance.now()) / 1000);
      if (leftS <= BOOT_LIMIT_S) {
        for (const cell of pending) {
          this.#take({ ...notRun(cell), reason: "out of time" });
        }
        return;
      }
      pending = await this.#boot(pending, { hypervisor, leftS });
    }
  }

  /**
   * Runs those of `cells` that failed once more, in a boot of their own: under emulation guests,
   * and programs of dom0, fail for no reason now and then. What passes says what it failed with
   * first.
   *
   * @throws NoLabError as {@link runAll}
   */
  async runFailedAgain(cells: readonly Cell[], hypervisor: Hypervisor): Promise<void> {
    const hasFailed = new Map<string, CellResult>();
    for (const { name } of cells) {
      const index = this.results.findIndex((one) => one.cell === name && one.outcome === "failed");
      if (index !== -1) {
        hasFailed.set(name, this.results.splice(index, 1)[0]!);
      }
    }
    const again = cells.filter(({ name }) => hasFailed.has(name));
    await this.runAll(again, hypervisor);
    for (const [index, result] of this.results.entries()) {
      const first = hasFailed.get(result.cell);
      if (first !== undefined) {
        this.results[index] = result.outcome === "passed" ? atSecondTry(result, first) : first;
      }
    }
  }

  /** @returns the cells that are still to be run. */
  async #boot(
    cells: readonly Cell[],
    { hypervisor, leftS }: { readonly hypervisor: Hypervisor; readonly leftS: number },
  ): Promise<readonly Cell[]> {
    const number = this.boots.length + 1;
    const job = this.#makeJob(`boot-${number}`, { cells, limitS: leftS - BOOT_LIMIT_S });
    const startMs = performance.now();
    const results = new ResultFile(path.join(job, "results.jsonl"));
    const had = this.results.length;
    process.stdout.write(`boot ${number} (${hypervisor}): ${cells.length} cells\n`);
    const status = await this.#options.lab.boot(job, {
      hypervisor,
      limitS: leftS,
      onTick: () => {
        for (const result of results.unread()) {
          this.#take(withWholePath(result, job));
        }
      },
    });
    const taken = this.results.slice(had);
    this.boots.push({
      hypervisor,
      ...versionsIn(job),
      tookS: Math.round((performance.now() - startMs) / 1000),
      cellsS: Math.round(taken.reduce((sum, { tookS }) => sum + tookS, 0)),
    });
    const rest = cells.filter(({ name }) => !taken.some(({ cell }) => cell === name));
    if (status === 0) {
      return rest;
    }
    if (!existsSync(path.join(job, "started"))) {
      throw new NoLabError(`no lab: it does not come up (status ${status}); see ${job}`);
    }
    const [current, ...others] = rest;
    if (current !== undefined) {
      const reason = "the lab stopped, or time was over, during this cell";
      this.#take({ ...notRun(current), outcome: "failed", reason, logs: job });
    }
    return others;
  }

  #makeJob(name: string, { cells, limitS }: Pick<Plan, "cells" | "limitS">): string {
    const { root, folder, keepsLogs } = this.#options;
    const job = emptyFolder(path.join(folder, name));
    const plan: Plan = { cells, programs: PROGRAMS, limitS, keepsLogs };
    writeFileSync(path.join(job, "plan.json"), JSON.stringify(plan));
    writeFileSync(path.join(job, "run"), RUN);
    cpSync(path.join(root, "build", "xen", "js"), path.join(job, "js"), { recursive: true });
    copyFileSync(path.join(root, "package.json"), path.join(job, "package.json"));
    pack(root, path.join(job, "package.tar"));
    return job;
  }

  #take(result: CellResult): void {
    this.results.push(result);
    process.stdout.write(`${renderResult(result)}\n`);
  }
}

/** The lines dom0 adds to a file, each given once. */
class ResultFile {
  readonly #file: string;
  #read = 0;

  constructor(file: string) {
    this.#file = file;
  }

  unread(): readonly CellResult[] {
    const lines = existsSync(this.#file) ? readFileSync(this.#file, "utf8").split("\n") : [""];
    const whole = lines.slice(this.#read, -1);
    this.#read += whole.length;
    return whole.map((line) => JSON.parse(line) as CellResult);
  }
}

function versionsIn(job: string): Pick<BootRecord, "versions"> {
  const file = path.join(job, "versions.json");
  return existsSync(file) ? { versions: JSON.parse(readFileSync(file, "utf8")) as Versions } : {};
}

function atSecondTry(result: CellResult, { reason = "" }: CellResult): CellResult {
  return { ...result, facts: { ...result.facts, failedFirst: reason } };
}

function notRun({ name }: Cell): CellResult {
  return { cell: name, outcome: "not run", facts: {}, tookS: 0 };
}

function withWholePath(result: CellResult, job: string): CellResult {
  return result.logs === undefined ? result : { ...result, logs: path.join(job, result.logs) };
}
