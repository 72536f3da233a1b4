import type { Profile } from "#dist/report/profile.js";
import type { Contestant, MigrationCase } from "./case.ts";
import { type Move, migrate, withGuest } from "./guest.ts";
import type { Lab } from "./lab.ts";

/** What profiling at both ends costs: in pairs, with it and without, each first in turn. */
export const profilingCase: MigrationCase = {
  name: "migration/profiling",
  about: "the same migration with profiles of both ends and without, in pairs, over a unix socket",
  columns: [
    { key: "throughputCost", head: "throughput cost %", digits: 2 },
    { key: "downtimeCost", head: "downtime cost %", digits: 2 },
    { key: "plainRate", head: "GB/s without", digits: 3 },
    { key: "profiledRate", head: "with", digits: 3 },
    { key: "plainDowntime", head: "downtime ms without", digits: 2 },
    { key: "profiledDowntime", head: "with", digits: 2 },
  ],
  better: "less",
  baselines: [],
  prepare: async (lab) => ({
    contestants: [
      contestant(lab, "idle", "dirty=0,hot=1M"),
      contestant(lab, "stores 50 MB/s", "dirty=50MB,hot=10%"),
    ],
  }),
};

function contestant(lab: Lab, name: string, workload: string): Contestant {
  const description = `process:memory=${lab.memoryBytes},${workload},fill=random`;
  const move = (recording: Move["recording"]) =>
    withGuest(lab, description, (guest) => migrate(lab, guest, { via: "unix", recording }));
  let pairs = 0;
  return {
    name,
    run: async () => {
      const isPlainFirst = pairs++ % 2 === 0;
      const first = await move(isPlainFirst ? "none" : "both ends");
      const second = await move(isPlainFirst ? "both ends" : "none");
      const [plain, profiled] = isPlainFirst ? [first, second] : [second, first];
      return { figures: compare(plain.profile, profiled.profile) };
    },
  };
}

function compare(plain: Profile, profiled: Profile): Readonly<Record<string, number>> {
  const [plainRate, profiledRate] = [rateOf(plain), rateOf(profiled)];
  const plainDowntime = plain.downtime!.totalMs;
  const profiledDowntime = profiled.downtime!.totalMs;
  return {
    throughputCost: (plainRate / profiledRate - 1) * 100,
    downtimeCost: (profiledDowntime / plainDowntime - 1) * 100,
    plainRate,
    profiledRate,
    plainDowntime,
    profiledDowntime,
  };
}

/** GB of stream a second, from the first page to the guest's start there. */
function rateOf({ iterations, totalMs, totalBytes }: Profile): number {
  return totalBytes / (totalMs - (iterations[0]?.startMs ?? 0)) / 1e6;
}
