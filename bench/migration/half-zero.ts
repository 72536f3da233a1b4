import type { MigrationCase } from "./case.ts";
import { cpuSeconds, migrate, withGuest } from "./guest.ts";

const OPTION = "--zero-pages";
const SEND = "zeros sent";

/** What naming zero pages instead of sending them gains. */
export const halfZeroCase: MigrationCase = {
  name: "migration/half-zero",
  about: "idle guest all of whose pages were written, every other 64 KiB with zeros, over TCP",
  columns: [
    { key: "iterationSeconds", head: "first iteration s", digits: 2 },
    { key: "totalSeconds", head: "total s", digits: 2 },
    { key: "gibibytes", head: "GiB sent", digits: 3 },
    { key: "sourceCpu", head: "source CPU s", digits: 2 },
    { key: "targetCpu", head: "target CPU s", digits: 2 },
  ],
  better: "less",
  baselines: [SEND],
  prepare: async (lab) => {
    if (!lab.knows(OPTION)) {
      return { contestants: [], skipped: [`'xenferry migrate' has no ${OPTION}`] };
    }
    const description = `process:memory=${lab.memoryBytes},dirty=0,fill=half-zero`;
    const contestant = (name: string, action: "elide" | "send") => ({
      name,
      run: async () => {
        const options = [OPTION, action];
        const { profile, source, target } = await withGuest(lab, description, (guest) =>
          migrate(lab, guest, { via: "tcp", options }),
        );
        return {
          figures: {
            iterationSeconds: (profile.iterations[0]?.durationMs ?? 0) / 1000,
            totalSeconds: profile.totalMs / 1000,
            gibibytes: profile.totalBytes / 2 ** 30,
            sourceCpu: cpuSeconds(source),
            targetCpu: cpuSeconds(target),
          },
        };
      },
    });
    return { contestants: [contestant("zeros named", "elide"), contestant(SEND, "send")] };
  },
};
