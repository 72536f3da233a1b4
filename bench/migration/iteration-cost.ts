import type { MigrationCase, Run } from "./case.ts";
import { migrate, withGuest } from "./guest.ts";
import type { Lab } from "./lab.ts";
import { spreadOf } from "./run.ts";

const GIB_BYTES = 2 ** 30;
const SIZES_GIB = [1, 16, 128, 1024];
/** Memory that a sparse guest costs: 8 octets a page of page tables, and as much to spare. */
const OVERHEAD_SHARE = 1 / 256;
/** A policy that is never content, so that iterations come one after the other. */
const ITERATE = ["--downtime", "0.001", "--iterations-max", "8"];

/** What an iteration costs when the guest is large and little of it is written. */
export const iterationCostCase: MigrationCase = {
  name: "migration/iteration-cost",
  about: "an iteration after the first of a sparse guest that stores 20 MB/s to 16 MiB, over TCP",
  columns: [
    { key: "durationMs", head: "iteration ms", digits: 1 },
    { key: "msPerGib", head: "ms/GiB", digits: 2 },
    { key: "scanMs", head: "scan", digits: 2 },
    { key: "sendMs", head: "send", digits: 1 },
    { key: "logDirtyMs", head: "log-dirty", digits: 1 },
    { key: "pagesSent", head: "pages", digits: 0 },
    { key: "firstSeconds", head: "iteration 0 s", digits: 2 },
    { key: "harvestMs", head: "last harvest ms", digits: 1 },
    { key: "downtimeMs", head: "downtime ms", digits: 1 },
  ],
  better: "less",
  baselines: [],
  prepare: async (lab) => {
    const fits = (gib: number) => gib * GIB_BYTES * OVERHEAD_SHARE < lab.freeBytes();
    return {
      contestants: SIZES_GIB.filter(fits).map((gib) => ({
        name: `${gib} GiB`,
        run: () => runSize(lab, gib),
      })),
      skipped: SIZES_GIB.filter((gib) => !fits(gib)).map(
        (gib) => `${gib} GiB: too little free memory for its page tables`,
      ),
    };
  },
};

async function runSize(lab: Lab, gib: number): Promise<Run> {
  const description = `process:memory=${gib}G,dirty=20MB,hot=16M,fill=zero`;
  const { profile } = await withGuest(lab, description, (name) =>
    migrate(lab, name, { via: "tcp", options: ITERATE }),
  );
  const later = profile.iterations.filter(
    ({ iteration, phase }) => iteration > 0 && phase === "precopy",
  );
  if (later.length === 0) {
    throw new Error(`${gib} GiB: the loop ended after its first iteration`);
  }
  const median = (key: "durationMs" | "scanMs" | "sendMs" | "logDirtyMs" | "pagesSent") =>
    spreadOf(later.map((iteration) => iteration[key])).median;
  return {
    figures: {
      durationMs: median("durationMs"),
      msPerGib: median("durationMs") / gib,
      scanMs: median("scanMs"),
      sendMs: median("sendMs"),
      logDirtyMs: median("logDirtyMs"),
      pagesSent: median("pagesSent"),
      firstSeconds: profile.iterations[0]!.durationMs / 1000,
      harvestMs: profile.downtime!.harvestMs,
      downtimeMs: profile.downtime!.totalMs,
    },
  };
}
