import { readdirSync, readlinkSync } from "node:fs";
import { expect, it } from "vitest";
import { selectEngine } from "../../src/engine/select.ts";
import { migrateNobody, rehearseMigration } from "../../src/migration/rehearsal.ts";

const isLinux = process.platform === "linux";

it.each(["auto", "reference"] as const)("a rehearsal ends well (%s engine)", async (choice) => {
  await expect(migrateNobody(selectEngine(choice).engine)).resolves.toBeUndefined();
});

it.runIf(isLinux)("rehearsing leaves no socket open", async () => {
  const before = openSockets();
  await rehearseMigration(selectEngine("auto").engine);
  await expect.poll(openSockets).toBe(before);
});

function openSockets(): number {
  const targets = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The descriptor with which the folder was read.
      return "";
    }
  });
  return targets.filter((target) => target.startsWith("socket:")).length;
}
