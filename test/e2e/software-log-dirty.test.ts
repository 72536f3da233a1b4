import { afterEach, beforeEach, expect, test } from "vitest";
import { parseGuestSpec } from "../../src/guest/config.ts";
import { attachGuest } from "../../src/guest/open.ts";
import { processBackend } from "../../src/guest/process/backend.ts";
import { openRegistry } from "../../src/guest/registry.ts";
import {
  isProven,
  makeRunDir,
  storesMore,
  type TestRunDir,
  unavailableKinds,
} from "../support/guests.ts";
import { migrateHere } from "../support/migration.ts";

const isHere = !(await unavailableKinds(["process"])).has("process");

let place: TestRunDir;

beforeEach(async () => {
  place = await makeRunDir();
});

afterEach(async () => {
  await place.dispose();
});

test.runIf(isHere)(
  "a process guest migrates by its own bitmap where the kernel has none",
  async () => {
    const registry = await openRegistry(place.runDir);
    const backend = processBackend({ registry, logDirty: "software" });
    const spec = "process:memory=8M,dirty=4000p,hot=25%,vcpus=2,pattern=uniform";
    const guest = await backend.create(parseGuestSpec(spec), "running");
    expect(guest.logDirty.method).toBe("software");
    await storesMore(guest, 50);
    const { source, target } = await migrateHere(place.runDir, guest);
    expect([source.status, target.status]).toEqual(["fulfilled", "fulfilled"]);
    await guest.cleanup();
    const there = await attachGuest("guest", place);
    await storesMore(there, 50);
    expect(await isProven(there)).toBe(true);
    await there.cleanup();
  },
);
