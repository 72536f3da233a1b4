import type { MigrationCase } from "./case.ts";
import { downtimeCase, downtimeRun } from "./downtime.ts";
import { createGuest, destroyGuest, migrate, proveGuest } from "./guest.ts";

const LOAD = "dirty=200M,hot=10%,vcpus=2,fill=random";

/** One guest under load, migrated again and again, and sound each time. */
export const provenCase: MigrationCase = {
  ...downtimeCase,
  name: "migration/proven",
  about: `a guest under load (${LOAD}) goes back and forth and proves its memory each time`,
  prepare: async (lab) => {
    const name = await createGuest(lab, `process:memory=${lab.memoryBytes},${LOAD}`);
    let storesBefore = 0;
    const contestants = (["tcp", "unix"] as const).map((via) => ({
      name: `proven over ${via}`,
      run: async () => {
        const { profile } = await migrate(lab, name, { via });
        const stores = await proveGuest(lab, name);
        if (stores <= storesBefore) {
          throw new Error(`the guest stands still at ${stores} stores`);
        }
        storesBefore = stores;
        return downtimeRun(profile);
      },
    }));
    return { contestants, dispose: () => destroyGuest(lab, name) };
  },
};
