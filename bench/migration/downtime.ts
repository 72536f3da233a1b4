import type { Profile } from "#dist/report/profile.js";
import type { Contestant, MigrationCase, Run } from "./case.ts";
import { migrate, withGuest } from "./guest.ts";
import type { Lab } from "./lab.ts";
import { qemuContestants } from "./qemu.ts";

const DIRTY_RATES_MB = [0, 50, 200, 800];

/** How long the guest stands still, by how fast it writes, and where that time goes. */
export const downtimeCase: MigrationCase = {
  name: "migration/downtime",
  about: "guest with a hot set of 10 % over loopback TCP, by the rate at which it stores pages",
  columns: [
    { key: "downtimeMs", head: "downtime ms", digits: 1 },
    { key: "suspendMs", head: "suspend", digits: 1 },
    { key: "harvestMs", head: "harvest", digits: 1 },
    { key: "finalCopyMs", head: "final copy", digits: 1 },
    { key: "stateMs", head: "state", digits: 1 },
    { key: "handoverMs", head: "hand-over", digits: 1 },
    { key: "resumeMs", head: "resume", digits: 1 },
    { key: "iterations", head: "iterations", digits: 0 },
    { key: "totalSeconds", head: "total s", digits: 2 },
    { key: "targetMs", head: "target ms", digits: 0 },
  ],
  better: "less",
  baselines: [],
  prepare: async (lab) => {
    const peers = await qemuContestants(lab, "tcp");
    return {
      contestants: [
        ...DIRTY_RATES_MB.map((rate) => ({ name: `${rate} MB/s`, run: () => runRate(lab, rate) })),
        ...peers.contestants.map(idlePeer),
      ],
      skipped: peers.skipped,
    };
  },
};

async function runRate(lab: Lab, rate: number): Promise<Run> {
  const workload = `dirty=${rate === 0 ? "0" : `${rate}MB`},hot=10%,fill=random`;
  const description = `process:memory=${lab.memoryBytes},${workload}`;
  const { profile } = await withGuest(lab, description, (name) =>
    migrate(lab, name, { via: "tcp" }),
  );
  return downtimeRun(profile);
}

/** A peer's downtime is what it reports, and its guest stores nothing. */
function idlePeer({ name, run }: Contestant): Contestant {
  return {
    name: `${name}, 0 MB/s`,
    run: async () => {
      const { downtimeMs, seconds } = (await run()).figures;
      return { figures: { downtimeMs: downtimeMs!, totalSeconds: seconds! } };
    },
  };
}

/** Downtime, its parts, and whether the policy expected it to be within the target. */
export function downtimeRun(profile: Profile): Run {
  const { totalMs: downtimeMs, ...parts } = profile.downtime!;
  return {
    figures: {
      downtimeMs,
      ...parts,
      iterations: profile.iterations.length,
      totalSeconds: profile.totalMs / 1000,
      targetMs: profile.policy!.parameters.downtimeTargetMs!,
    },
    remark: profile.stopReason?.includes("within the target") ? "expected to fit" : "above target",
  };
}
