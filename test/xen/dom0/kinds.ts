/** How each kind of trial is carried out. One that fails throws, one that passes gives facts. */
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import type { Helper, Trial } from "../matrix.ts";
import {
  countCheckpoints,
  differences,
  differingPfns,
  type Image,
  readImage,
  rewrittenByRestore,
} from "../stream.ts";
import { type Bench, create, type Facts } from "./bench.ts";
import { saveSuspended } from "./direct.ts";
import { FAULTS } from "./faults.ts";
import { until } from "./guest.ts";
import { type IterationWatch, watchIterations } from "./iterations.ts";
import { restoreLegacy } from "./legacy.ts";
import { migrateByProgram, saveByProgram } from "./program.ts";
import { type Ended, told } from "./xl.ts";

type Of<Kind extends Trial["kind"]> = Extract<Trial, { kind: Kind }>;

const REPEATS = 2;
const CHECKPOINTS_LIMIT_MS = 120_000;
/** So many until the guest, as it was when it was looked at, is at the other end. */
const CHECKPOINTS_MORE = 3;
/** A PV guest can be saved again only when it has run and put up its table of frames anew. */
const REWRITTEN_SHARE_MAX = 0.25;

export async function carryOut(trial: Trial, bench: Bench): Promise<Facts> {
  switch (trial.kind) {
    case "save":
      return saveAndRestore(trial, bench);
    case "zero":
      return saveWithoutZeroes(trial, bench);
    case "again":
      return saveAgain(trial, bench);
    case "live":
      return migrateLive(trial, bench);
    case "remus":
      return failOver(trial, bench);
    case "equal":
      return saveTwice(trial, bench);
    case "fault":
      return survive(trial, bench);
    case "time-save":
      return timeSaves(trial, bench);
    case "time-live":
      return timeMigrations(trial, bench);
    case "legacy":
      return restoreLegacy(trial, bench);
    case "program-save":
      return saveByProgram(bench);
    case "program-migrate":
      return migrateByProgram(trial, bench);
  }
}

async function saveAndRestore({ by, restoreBy }: Of<"save">, bench: Bench): Promise<Facts> {
  const guest = await create(bench);
  const image = path.join(bench.folder, "image");
  const mark = guest.mark();
  const saved = await guest.save(image, [], { helper: by });
  await bench.commands.must(["verify-stream-v2", "-v", "-f", "xl", "-i", image]);
  const restored = await guest.restore(image, [], { helper: restoreBy });
  await guest.goesOn(mark);
  return {
    imageBytes: statSync(image).size,
    saveMs: saved.wallMs,
    restoreMs: restored.wallMs,
  };
}

async function saveWithoutZeroes({ by, restoreBy }: Of<"zero">, bench: Bench): Promise<Facts> {
  const guest = await create(bench);
  const file = path.join(bench.folder, "image");
  const mark = guest.mark();
  await guest.save(file, [], { helper: by });
  const image = readImage(file);
  if (image.sentXalloc === 0) {
    throw new Error(`no page of ${image.sentPages} was elided`);
  }
  await guest.restore(file, [], { helper: restoreBy });
  await guest.goesOn(mark);
  return { sentPages: image.sentPages, elidedPages: image.sentXalloc, imageBytes: image.bytes };
}

/** The guest goes on after `xl save -c`; its image, restored and saved again, is the same. */
async function saveAgain({ by }: Of<"again">, bench: Bench): Promise<Facts> {
  const guest = await create(bench);
  const file = path.join(bench.folder, "image");
  const again = path.join(bench.folder, "again");
  const mark = guest.mark();
  await guest.save(file, ["-c"], { helper: by });
  await guest.goesOn(guest.mark());
  await guest.destroy();

  const beforeRestore = guest.mark();
  const isPv = bench.column.settings.type === "pv";
  await guest.restore(file, isPv ? [] : ["-p"], { helper: by });
  if (isPv) {
    await guest.goesOn({ ...mark, logBytes: beforeRestore.logBytes });
    await guest.suspend();
  } else {
    await guest.declareSuspended();
  }
  await saveSuspended(bench.commands, { helper: by, domid: await guest.domid(), file: again });
  const facts = sameMemory(readImage(file), readImage(again), { hasRun: isPv });
  await guest.destroy();
  if (!isPv) {
    const beforeLast = guest.mark();
    await guest.restore(file, [], { helper: by });
    await guest.goesOn({ ...mark, logBytes: beforeLast.logBytes });
  }
  return facts;
}

/** @throws Error where pages differ that neither a restore nor, if it has run, the guest writes. */
function sameMemory(image: Image, again: Image, { hasRun }: { readonly hasRun: boolean }): Facts {
  const differing = differingPfns(image, again);
  const expected = rewrittenByRestore(image);
  const wrong = differing.filter((pfn) => !expected.has(pfn));
  if (wrong.length > (hasRun ? REWRITTEN_SHARE_MAX * image.pages.size : 0)) {
    const pfns = wrong.slice(0, 8).map((pfn) => `0x${pfn.toString(16)}`);
    throw new Error(`${wrong.length} pages differ when saved again: ${pfns.join(", ")}`);
  }
  return { pages: image.pages.size, differingPages: differing.length };
}

async function migrateLive({ by, receiveBy }: Of<"live">, bench: Bench): Promise<Facts> {
  const guest = await create(bench, { isLoaded: true });
  const mark = guest.mark();
  const watch = watchIterations(by, bench);
  const copy = path.join(bench.folder, "copy");
  const ended = await guest.migrate(copy, { by, receiveBy, ...watch.options });
  mustHaveWorked("xl migrate", ended);
  await guest.goesOn(mark, { incoming: true });
  const { count, firstIterationMs } = watch.read();
  return { totalMs: ended.wallMs, iterations: count, firstIterationMs };
}

/** The guest goes on at the other end, as of a checkpoint, when it is destroyed at this one. */
async function failOver({ by, receiveBy }: Of<"remus">, bench: Bench): Promise<Facts> {
  const guest = await create(bench);
  const copy = path.join(bench.folder, "copy");
  const checkpoints = () => (existsSync(copy) ? countCheckpoints(readFileSync(copy)) : 0);
  let ended: Ended | undefined;
  const protecting = guest.protect(copy, { by, receiveBy }).then((value) => {
    ended = value;
  });
  const atLeast = (count: number) =>
    until(`${count} checkpoints`, CHECKPOINTS_LIMIT_MS, () => {
      if (ended !== undefined) {
        throw new Error(`xl remus: ${told(ended)}`);
      }
      return checkpoints() >= count;
    });
  await atLeast(1);
  const mark = guest.mark();
  const reached = checkpoints() + CHECKPOINTS_MORE;
  await atLeast(reached);
  await guest.destroy();
  await protecting;
  await guest.goesOn(mark, { incoming: true });
  return { checkpoints: checkpoints() };
}

/** Both helpers save one suspended guest, stock a second time to show what tells the time. */
async function saveTwice({ by }: Of<"equal">, bench: Bench): Promise<Facts> {
  const guest = await create(bench);
  await guest.suspend();
  const domid = await guest.domid();
  const saved = async (helper: Helper, name: string) => {
    const file = path.join(bench.folder, name);
    await saveSuspended(bench.commands, { helper, domid, file });
    return readImage(file);
  };
  const stock = await saved("stock", "stock");
  const other = await saved(by, "other");
  const found = differences(stock, other, await saved("stock", "again"));
  if (found.length > 0) {
    throw new Error(`the streams differ in ${found.join("; ")}`);
  }
  const mark = guest.mark();
  await guest.resume();
  await guest.goesOn(mark);
  return { stockBytes: stock.bytes, streamBytes: other.bytes, pages: other.pages.size };
}

async function survive({ by, fault }: Of<"fault">, bench: Bench): Promise<Facts> {
  const guest = await create(bench);
  const ended = await FAULTS[fault]({ guest, by, commands: bench.commands, folder: bench.folder });
  if (ended.status === 0) {
    throw new Error(`xl noticed nothing of ${fault}`);
  }
  await guest.goesOn(guest.mark());
  const state = await guest.state();
  if (state === undefined || /[psc]/.test(state)) {
    throw new Error(`after ${fault} the guest is ${state ?? "gone"}`);
  }
  return { xl: told(ended) };
}

/** The helpers take turns, so that whatever else the machine does meets both. */
async function timeSaves({ by }: Of<"time-save">, bench: Bench): Promise<Facts> {
  const guest = await create(bench);
  const file = path.join(bench.folder, "image");
  const stock: Ended[] = [];
  const other: Ended[] = [];
  for (let repeat = 0; repeat < REPEATS; repeat += 1) {
    stock.push(await guest.save(file, ["-c"], { helper: "stock" }));
    other.push(await guest.save(file, ["-c"], { helper: by }));
  }
  return { ...ratio("wallMs", stock, other), ...ratio("cpuMs", stock, other) };
}

/** Once for the time as a whole, once more for that of the first iteration, watched. */
async function timeMigrations({ by }: Of<"time-live">, bench: Bench): Promise<Facts> {
  const guest = await create(bench, { isLoaded: true });
  const copy = path.join(bench.folder, "copy");
  const migrate = async (helper: Helper, options: IterationWatch["options"] = {}) => {
    const ended = await guest.migrate(copy, { by: helper, receiveBy: helper, ...options });
    mustHaveWorked(`xl migrate (${helper})`, ended);
    return ended;
  };
  const stock = [await migrate("stock")];
  const other = [await migrate(by)];
  const watched = async (helper: Helper) => {
    const watch = watchIterations(helper, bench);
    await migrate(helper, watch.options);
    return watch.read();
  };
  const stockIterations = await watched("stock");
  const iterations = await watched(by);
  return {
    ...ratio("wallMs", stock, other),
    ...ratio("cpuMs", stock, other),
    ...ratio("firstIterationMs", [stockIterations], [iterations]),
    stockIterations: stockIterations.count,
    iterations: iterations.count,
  };
}

function mustHaveWorked(what: string, ended: Ended): void {
  if (ended.status !== 0) {
    throw new Error(`${what}: ${told(ended)}`);
  }
}

/** The least of each side, and how they compare. */
function ratio<Key extends string>(
  key: Key,
  stock: readonly Readonly<Record<Key, number>>[],
  other: readonly Readonly<Record<Key, number>>[],
): Facts {
  const least = (runs: readonly Readonly<Record<Key, number>>[]) =>
    Math.min(...runs.map((run) => run[key]));
  return {
    [key]: least(other),
    [`stock${key[0]!.toUpperCase()}${key.slice(1)}`]: least(stock),
    [`${key.replace(/Ms$/, "")}Ratio`]: Number((least(other) / least(stock)).toFixed(2)),
  };
}
