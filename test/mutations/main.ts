/**
 * `npm run test:verdicts`: has Xen's own tools restore every mutant in the lab, and keeps what
 * they did in `verdicts.json`, to which a test holds our own verdict.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { emptyFolder, Lab } from "../xen/lab.ts";
import type { Hypervisor } from "../xen/matrix.ts";
import { allMutants, type Mutant } from "./all.ts";
import type { Kind } from "./mutation.ts";
import type { Observation, Plan, Verdict, Verdicts } from "./verdict.ts";

const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));
const FILE = path.join(ROOT, "test", "mutations", "verdicts.json");
const BOOT_LIMIT_S = 60;
const BUILD_LIMIT_S = 1800;
const USAGE = `usage: npm run test:verdicts -- [options]

  --again    observe all again, and say where it was another time
  --limit S  seconds for a boot (540)
  --boots N  most boots (4)
  --only RE  only mutations whose name matches

Status: 0 all are known; 1 some are not yet, or differ from before; 77 no lab here.
`;
/** In this order: those of which a guest is made soonest first. */
const KINDS: readonly Kind[] = ["pvh", "pv64", "hvm", "pv32"];
const RUN = `#!/bin/bash
# Emulated, Node.js itself has been seen to crash; what has a result is not run again.
for _ in {1..8}; do
    node js/mutations/dom0.js && exit
done
`;

process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));
process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      help: { type: "boolean", default: false },
      again: { type: "boolean", default: false },
      limit: { type: "string", default: "540" },
      boots: { type: "string", default: "4" },
      only: { type: "string", default: "" },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const known = readVerdicts();
  const wanted = allMutants().filter(({ mutation }) => new RegExp(values.only).test(mutation.name));
  const pending = wanted.filter((mutant) => values.again || find(known, mutant) === undefined);
  const seen = await observeAll(pending, Number(values.limit), Number(values.boots));
  const verdicts = allMutants().flatMap(
    (mutant) => merged(find(known, mutant), find(seen, mutant)) ?? [],
  );
  const xen = seen.xen === "" ? known.xen : seen.xen;
  writeFileSync(FILE, `${JSON.stringify({ xen, verdicts }, undefined, 1)}\n`);
  const differing = pending.filter((mutant) => isOther(find(known, mutant), find(seen, mutant)));
  for (const mutant of differing) {
    const pair = { before: find(known, mutant), now: find(seen, mutant) };
    process.stdout.write(`differs: ${JSON.stringify(pair)}\n`);
  }
  const missing = wanted.length - wanted.filter((mutant) => find({ xen, verdicts }, mutant)).length;
  process.stdout.write(
    `${verdicts.length} known, ${missing} missing, ${differing.length} differ\n`,
  );
  return missing + differing.length === 0 ? 0 : 1;
}

function readVerdicts(): Verdicts {
  return existsSync(FILE)
    ? (JSON.parse(readFileSync(FILE, "utf8")) as Verdicts)
    : { xen: "", verdicts: [] };
}

function find({ verdicts }: Verdicts, { mutation, kind }: Mutant): Verdict | undefined {
  return verdicts.find((one) => one.mutation === mutation.name && one.kind === kind);
}

/** What was seen last, with what else is known. */
function merged(before: Verdict | undefined, now: Verdict | undefined): Verdict | undefined {
  if (before === undefined || now === undefined) {
    return now ?? before;
  }
  const { verifyStreamV2, verifyStreamV2Reason } = before;
  return {
    ...now,
    ...(verifyStreamV2 && { verifyStreamV2 }),
    ...(verifyStreamV2Reason && { verifyStreamV2Reason }),
  };
}

function isOther(before: Verdict | undefined, now: Verdict | undefined): boolean {
  return (
    before !== undefined &&
    now !== undefined &&
    (before.restore !== now.restore || before.guest !== now.guest)
  );
}

async function observeAll(
  mutants: readonly Mutant[],
  limitS: number,
  bootsMax: number,
): Promise<Verdicts> {
  const lab = new Lab(process.env);
  const folder = mkdtempSync(path.join(tmpdir(), "xenferry-verdicts-"));
  const seen: Observation[] = [];
  let xen = "";
  let boots = 0;
  for (const hypervisor of ["debian", "shadow"] as const satisfies readonly Hypervisor[]) {
    let pending = mutants
      .filter(({ kind }) => (kind === "pv32") === (hypervisor === "shadow"))
      .toSorted((one, other) => KINDS.indexOf(one.kind) - KINDS.indexOf(other.kind));
    while (pending.length > 0 && boots < bootsMax) {
      boots += 1;
      const job = emptyFolder(path.join(folder, `boot-${boots}`));
      const got = await boot(lab, { job, hypervisor, limitS, mutants: pending });
      // The hypervisor tells it, and of those only Debian's is as old as xl is.
      xen = hypervisor === "debian" ? got.xen : xen;
      seen.push(...got.verdicts);
      const rest = pending.filter((mutant) => find({ xen, verdicts: seen }, mutant) === undefined);
      if (rest.length === pending.length) {
        process.stderr.write(`no result in ${job}\n`);
        return { xen, verdicts: seen };
      }
      pending = rest;
    }
  }
  rmSync(folder, { recursive: true });
  return { xen, verdicts: seen };
}

async function boot(
  lab: Lab,
  {
    job,
    hypervisor,
    limitS,
    mutants,
  }: {
    readonly job: string;
    readonly hypervisor: Hypervisor;
    readonly limitS: number;
    readonly mutants: readonly Mutant[];
  },
): Promise<Verdicts> {
  await lab.build(path.join(ROOT, "test", "xen", "build.sh"), {
    parts: ["guest-kernel", ...(hypervisor === "shadow" ? (["shadow"] as const) : [])],
    limitS: BUILD_LIMIT_S,
  });
  const plan: Plan = {
    mutants: mutants.map(({ mutation, kind }) => ({ mutation: mutation.name, kind })),
    limitS: limitS - BOOT_LIMIT_S,
  };
  writeFileSync(path.join(job, "plan.json"), JSON.stringify(plan));
  writeFileSync(path.join(job, "run"), RUN);
  writeFileSync(path.join(job, "package.json"), '{ "type": "module" }');
  cpSync(path.join(ROOT, "build", "mutations", "js"), path.join(job, "js"), { recursive: true });
  await lab.boot(job, { hypervisor, limitS, onTick: () => {} });
  const text = (name: string) => {
    const file = path.join(job, name);
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  };
  const lines = text("results.jsonl").split("\n").slice(0, -1);
  process.stdout.write(`${hypervisor}: ${lines.length} of ${mutants.length} observed; ${job}\n`);
  return { xen: text("xen-version"), verdicts: lines.map((line) => JSON.parse(line) as Verdict) };
}
