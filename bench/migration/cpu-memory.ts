import { type Report, runPair } from "./baseline.ts";
import type { Contestant, MigrationCase, Run } from "./case.ts";
import { cpuSeconds, migrate, withGuest } from "./guest.ts";
import type { Lab } from "./lab.ts";

const MIB_BYTES = 2 ** 20;
const GIB_BYTES = 2 ** 30;
const SMALL_BYTES = 16 * MIB_BYTES;
const RAW = "raw, pwrite";
const STOCK = "stock loop";

/** What moving memory costs both hosts in CPU time and memory. */
export const cpuMemoryCase: MigrationCase = {
  name: "migration/cpu-memory",
  about: "whole processes moving an idle guest of random content over a unix socket",
  columns: [
    { key: "cpuPerGib", head: "CPU s/GiB", digits: 2 },
    { key: "sourceCpu", head: "source CPU s", digits: 2 },
    { key: "targetCpu", head: "target CPU s", digits: 2 },
    { key: "sourcePeak", head: "source peak MiB", digits: 0 },
    { key: "targetPeak", head: "target peak MiB", digits: 0 },
    { key: "sourceOwn", head: "source own MiB", digits: 0 },
    { key: "targetOwn", head: "target own MiB", digits: 0 },
  ],
  better: "less",
  baselines: [RAW, STOCK],
  prepare: async (lab) => ({
    contestants: [
      { name: "xenferry", run: () => runXenferry(lab, lab.memoryBytes) },
      { name: "xenferry, a guest of 16 MiB", run: () => runXenferry(lab, SMALL_BYTES) },
      transport(lab, RAW, { kind: "raw", into: "pwrite" }),
      transport(lab, STOCK, { kind: "stock" }),
    ],
  }),
};

async function runXenferry(lab: Lab, bytes: number): Promise<Run> {
  const description = `process:memory=${bytes},dirty=0,hot=1M,fill=random`;
  const { source, target } = await withGuest(lab, description, (name) =>
    migrate(lab, name, { via: "unix" }),
  );
  return {
    figures: {
      // A small guest shows what starting costs, whatever the size.
      ...(bytes > SMALL_BYTES && perGib(bytes, source, target)),
      ...figuresOf(source, target),
      sourceOwn: source.peakAnonymousBytes / MIB_BYTES,
      targetOwn: target.peakAnonymousBytes / MIB_BYTES,
    },
  };
}

function transport(
  lab: Lab,
  name: string,
  pair: { readonly kind: "raw" | "stock"; readonly into?: "pwrite" },
): Contestant {
  return {
    name,
    run: async () => {
      const bytes = lab.memoryBytes;
      const { source, target } = await runPair(lab, { ...pair, via: "unix", bytes });
      return { figures: { ...perGib(bytes, source, target), ...figuresOf(source, target) } };
    },
  };
}

type Cost = Pick<Report, "userSeconds" | "systemSeconds" | "peakRssBytes">;

function perGib(bytes: number, source: Cost, target: Cost) {
  return { cpuPerGib: (cpuSeconds(source) + cpuSeconds(target)) / (bytes / GIB_BYTES) };
}

function figuresOf(source: Cost, target: Cost) {
  return {
    sourceCpu: cpuSeconds(source),
    targetCpu: cpuSeconds(target),
    sourcePeak: source.peakRssBytes / MIB_BYTES,
    targetPeak: target.peakRssBytes / MIB_BYTES,
  };
}
