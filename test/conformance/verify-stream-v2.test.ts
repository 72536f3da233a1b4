import { spawnSync } from "node:child_process";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { saveGuest } from "../../src/migration/save.ts";
import { makeRunDir, storesMore, type TestRunDir, unavailableKinds } from "../support/guests.ts";
import { createGuest, TRANSFER } from "../support/migration.ts";
import { findVerifyStreamV2 } from "../support/xen-tools.ts";

const tool = findVerifyStreamV2();
if (typeof tool === "string") {
  console.warn(`Xen's verify-stream-v2: skipped: ${tool}`);
}
const KINDS = ["process", "synthetic"] as const;
const unavailable = await unavailableKinds(KINDS);

describe.skipIf(typeof tool === "string")("Xen's verify-stream-v2", () => {
  let place: TestRunDir;

  beforeAll(async () => {
    place = await makeRunDir();
  });

  afterAll(async () => {
    await place.dispose();
  });

  describe.each(KINDS)("%s guest", (kind) => {
    test.runIf(!unavailable.has(kind)).each(["live", "non-live"] as const)(
      "accepts a %s save",
      async (mode) => {
        const guest = await createGuest(place.runDir, `${kind}:memory=4M,dirty=2000p,hot=25%`);
        await storesMore(guest, 20);
        const file = path.join(place.runDir, `${kind}-${mode}.xl`);
        const { signal } = new AbortController();
        const engine = createReferenceEngine();
        await saveGuest({ ...TRANSFER, guest, engine, file, after: "destroy", mode, signal });
        await guest.cleanup();
        const { script, modules } = tool as Exclude<typeof tool, string>;
        const { status, stdout, stderr } = spawnSync(
          "python3",
          [script, "-v", "-f", "xl", "-i", file],
          { env: { ...process.env, PYTHONPATH: modules }, encoding: "utf8" },
        );
        expect(stderr).toBe("");
        expect(stdout).toContain("Libxl Record: End, length 0");
        expect(status).toBe(0);
      },
    );
  });
});
