/** What dom0 runs: restores one mutant after the other with Xen's own tools, and says what came. */
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Guest } from "../xen/dom0/guest.ts";
import { Commands } from "../xen/dom0/xl.ts";
import { COLUMNS } from "../xen/matrix.ts";
import { MUTATIONS } from "./all.ts";
import { Draft } from "./draft.ts";
import type { Kind } from "./mutation.ts";
import type { Observation, Plan } from "./verdict.ts";

const RESULTS = "/job/results.jsonl";
const LOGS = "/tmp/logs";
const BASE = "/tmp/base.xl";
const MUTANT = "/tmp/mutant.xl";
const OUTPUT = "/tmp/output";
const SHELL = `timeout -k 1 40 "$@" > ${OUTPUT} 2>&1; exit $?`;
/** Of `timeout`, once it has stopped a command. */
const STOPPED_STATUS = 124;
const SIGN_OF_LIFE_LIMIT_MS = 15_000;
const LOOK_MS = 200;
/** From here on a shell tells of a signal. */
const CRASH_STATUS = 128;

const startMs = performance.now();
const plan = JSON.parse(readFileSync("/job/plan.json", "utf8")) as Plan;
mkdirSync(LOGS, { recursive: true });
writeFileSync("/job/xen-version", command("xl", "info", "xen_version").output.trim());

let base: { readonly kind: Kind; readonly bytes: Uint8Array; readonly round: number } | undefined;
const done = existsSync(RESULTS) ? readFileSync(RESULTS, "utf8") : "";

for (const [index, { mutation, kind }] of plan.mutants.entries()) {
  if ((performance.now() - startMs) / 1000 > plan.limitS) {
    break;
  }
  if (done.includes(`{"mutation":"${mutation}","kind":"${kind}"`)) {
    continue;
  }
  if (base?.kind !== kind) {
    base = await saveGuest(kind, index);
  }
  const observation = await observe({ mutation, kind }, `m${process.pid}-${index}`, base);
  appendFileSync(RESULTS, `${JSON.stringify(observation)}\n`);
}
process.exit(0);

/** Has a fresh guest saved by Xen's own helper. */
async function saveGuest(kind: Kind, index: number) {
  const column = COLUMNS.find(({ name }) => name === kind)!;
  const commands = new Commands(LOGS, { helper: "none", converter: "none", environment: {} });
  const name = `base-${kind}-${process.pid}-${index}`;
  const guest = await Guest.create(column, { name, commands, isLoaded: false });
  await guest.save(BASE, [], { helper: "stock" });
  const { round } = guest.mark();
  return { kind, bytes: new Uint8Array(readFileSync(BASE)), round };
}

async function observe(
  mutant: { readonly mutation: string; readonly kind: Kind },
  name: string,
  { bytes, round }: { readonly bytes: Uint8Array; readonly round: number },
): Promise<Observation> {
  const { edit } = MUTATIONS.find((one) => one.name === mutant.mutation)!;
  const draft = new Draft(bytes);
  draft.writeConfig(draft.config().replace(/("name": ")[^"]*"/, `$1${name}"`));
  edit(draft, mutant.kind);
  rmSync(MUTANT, { force: true });
  writeFileSync(MUTANT, "");
  for (const chunk of draft.chunks()) {
    appendFileSync(MUTANT, chunk);
  }
  const restored = command("xl", "restore", "-p", "-e", MUTANT);
  appendFileSync("/job/restore.log", `== ${mutant.mutation} ${mutant.kind}\n${restored.output}`);
  const observation = { ...mutant, restore: outcomeOf(restored.status) };
  const guest = observation.restore === "accepted" ? await lifeOf(name, round) : undefined;
  destroyAll();
  const reason = observation.restore === "accepted" ? undefined : firstError(restored.output);
  return { ...observation, ...(reason && { reason }), ...(guest && { guest }) };
}

function outcomeOf(status: number | null): Observation["restore"] {
  return status === null
    ? "hung"
    : status === 0
      ? "accepted"
      : status >= CRASH_STATUS
        ? "crashed"
        : "refused";
}

/** Lets the guest run, and waits for it to count on. */
async function lifeOf(name: string, round: number): Promise<Observation["guest"]> {
  command("xl", "unpause", name);
  const endMs = performance.now() + SIGN_OF_LIFE_LIMIT_MS;
  const log = `/var/log/xen/console/guest-${name}.log`;
  while (performance.now() < endMs) {
    await sleep(LOOK_MS);
    const text = existsSync(log) ? readFileSync(log, "latin1") : "";
    if (/PATTERN BAD/.test(text)) {
      return "broken";
    }
    const rounds = [...text.matchAll(/ round (\d+) pattern/g)].map(([, number]) => Number(number));
    if (rounds.some((later) => later > round)) {
      return rounds[0]! < round ? "broken" : "goes on";
    }
  }
  const state = stateOf(name);
  return state === undefined ? "gone" : /[sc]/.test(state) ? "crashed" : "silent";
}

function stateOf(name: string): string | undefined {
  const line = command("xl", "list")
    .output.split("\n")
    .find((text) => text.startsWith(`${name} `));
  return line?.split(/\s+/)[4];
}

function destroyAll(): void {
  for (const line of command("xl", "list").output.split("\n").slice(1)) {
    const [name, domid] = line.split(/\s+/);
    if (domid !== undefined && name !== "Domain-0") {
      command("xl", "destroy", domid);
    }
  }
}

/**
 * Through a shell, so that a signal becomes a status; `null` where it was stopped. The output goes
 * to a file: what a stopped command leaves behind would hold a pipe open.
 */
function command(...words: readonly string[]): { status: number | null; output: string } {
  const { status } = spawnSync("bash", ["-c", SHELL, "bash", ...words], { stdio: "ignore" });
  const output = readFileSync(OUTPUT, "latin1");
  return { status: status === STOPPED_STATUS ? null : status, output };
}

/** Without what differs from run to run: numbers of domains, of lines, of this boot. */
function firstError(output: string): string | undefined {
  const lines = output.split(/[\r\n]+/);
  const line =
    lines.find((text) => /^xc: error/.test(text)) ??
    lines.find((text) => /error|fail|wrong|truncated|not supported|Segmentation/i.test(text)) ??
    lines.findLast((text) => text !== "" && !/^xc: info/.test(text));
  return line
    ?.replace(/^(xc|libxl): error: (\S+\.c:\d+:\w+: )?/, "")
    .replace(/Domain \d+:/, "")
    .replace(/: Internal error$/, "")
    .replace(/\bd\d+\b/g, "domain")
    .trim();
}
