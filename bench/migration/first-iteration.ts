import { runPair, type Via } from "./baseline.ts";
import type { Contestant, MigrationCase, PreparedCase, Run } from "./case.ts";
import { migrate, withGuest } from "./guest.ts";
import type { Lab } from "./lab.ts";
import { qemuContestants } from "./qemu.ts";

const HOT = "raw, hot buffer";
const MAPPED = "raw, mapped memory";
const PWRITE = "raw, pwrite";
const STOCK = "stock loop";

/** How fast all of an idle guest's memory goes over, beside what the transport can do at best. */
export const firstIterationCases: readonly MigrationCase[] = [
  caseOver("unix", "a unix socket"),
  caseOver("tcp", "loopback TCP"),
];

function caseOver(via: Via, link: string): MigrationCase {
  return {
    name: `migration/first-iteration ${via}`,
    about: `iteration 0 of an idle guest of random content over ${link}, one stream`,
    columns: [
      { key: "gigabytesPerSecond", head: "GB/s", digits: 2 },
      { key: "seconds", head: "s", digits: 2 },
      { key: "downtimeMs", head: "downtime ms", digits: 1 },
    ],
    better: "more",
    baselines: [HOT, MAPPED, PWRITE, STOCK],
    prepare: (lab) => prepare(lab, via),
  };
}

async function prepare(lab: Lab, via: Via): Promise<PreparedCase> {
  const bytes = lab.memoryBytes;
  const peers = await qemuContestants(lab, via);
  return {
    contestants: [
      { name: "xenferry", run: () => runXenferry(lab, via) },
      transport(lab, HOT, { kind: "raw", via, bytes, into: "hot" }),
      transport(lab, MAPPED, { kind: "raw", via, bytes, into: "mapped" }),
      transport(lab, PWRITE, { kind: "raw", via, bytes, into: "pwrite" }),
      transport(lab, STOCK, { kind: "stock", via, bytes }),
      ...peers.contestants,
    ],
    skipped: peers.skipped,
  };
}

async function runXenferry(lab: Lab, via: Via): Promise<Run> {
  const description = `process:memory=${lab.memoryBytes},dirty=0,fill=random`;
  const { profile } = await withGuest(lab, description, (name) => migrate(lab, name, { via }));
  const { bytes, durationMs } = profile.iterations[0]!;
  const downtimeMs = profile.downtime!.totalMs;
  return { figures: { ...rate(bytes, durationMs / 1000), downtimeMs } };
}

function transport(lab: Lab, name: string, pair: Parameters<typeof runPair>[1]): Contestant {
  return {
    name,
    run: async () => {
      const { target } = await runPair(lab, pair);
      return { figures: rate(target.bytes, target.seconds) };
    },
  };
}

function rate(bytes: number, seconds: number) {
  return { gigabytesPerSecond: bytes / seconds / 1e9, seconds };
}
