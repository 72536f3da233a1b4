import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { attachGuest, listGuests, openBackend } from "../../src/guest/open.ts";
import type { GuestConfig, GuestSource } from "../../src/guest/types.ts";
import { sourceHandshake } from "../../src/migration/handshake.ts";
import { receiveGuest } from "../../src/migration/receive.ts";
import { restoreGuest } from "../../src/migration/restore.ts";
import { saveGuest } from "../../src/migration/save.ts";
import { connectionOf } from "../../src/transport/connection.ts";
import { openImage } from "../../src/transport/image-file.ts";
import { ReadableSource } from "../../src/transport/readable-source.ts";
import { WritableSink } from "../../src/transport/writable-sink.ts";
import { isProven, makeRunDir, storesMore, type TestRunDir } from "../support/guests.ts";
import { legacyOfV2 } from "../support/legacy-of-v2.ts";
import { createGuest, TRANSFER } from "../support/migration.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const engine = createReferenceEngine();
const never = new AbortController().signal;

let place: TestRunDir;
let file: string;

beforeEach(async () => {
  place = await makeRunDir();
  file = path.join(place.runDir, "guest.legacy");
});

afterEach(async () => {
  await place.dispose();
});

/** Saves a guest, as Xen 4.5 would have. */
async function saveLegacy(width: 32 | 64): Promise<void> {
  const spec = "synthetic:memory=4M,dirty=2000p,hot=25%,vcpus=2,name=old";
  const guest = await createGuest(place.runDir, spec);
  await storesMore(guest, 50);
  await saveGuest({ ...TRANSFER, guest, engine, file, after: "destroy", signal: never });
  await guest.cleanup();
  writeFileSync(file, await legacyOfV2(readFileSync(file), width));
}

const prepare = async (config: GuestConfig) =>
  (await openBackend(config.kind, place)).prepare(config);

async function expectSound(guest: GuestSource): Promise<void> {
  await storesMore(guest, 50);
  expect(await isProven(guest)).toBe(true);
  await guest.cleanup();
}

describe.each([32, 64] as const)("a legacy image of a %i-bit toolstack", (width) => {
  test("is restored as it is", async () => {
    await saveLegacy(width);
    const source = await openImage(file);
    await restoreGuest({ source, engine, signal: never, prepare, startAs: "running" });
    await source.close();
    await expectSound(await attachGuest("old", place));
  });

  test("is received as it is, from a sender of that time", async () => {
    await saveLegacy(width);
    const toTarget = new PassThrough();
    const toSource = new PassThrough();
    const streams = { input: toTarget, output: toSource };
    const received = receiveGuest({
      connection: connectionOf(streams, "here", async () => undefined),
      engine,
      clock: systemClock,
      signal: never,
      prepare,
      startAs: "running",
    });
    const sender = sourceHandshake(new ReadableSource(toSource), new WritableSink(toTarget));
    await sender.awaitBanner();
    toTarget.write(readFileSync(file));
    await sender.awaitReady();
    await sender.permit();
    expect(await sender.awaitReport()).toBe("running");
    expect((await received).name).toBe("old");
    await expectSound(await attachGuest("old", place));
  });
});

test("the command line restores it, unless another version is said", async () => {
  await saveLegacy(64);
  const restore = (version: string) => {
    const args = ["--run-dir", place.runDir, "--json", "restore", "--stream-version", version];
    return spawnSync(process.execPath, [MAIN, ...args, file], { encoding: "utf8" });
  };
  const refused = restore("2");
  expect(refused.status).toBe(1);
  expect(JSON.parse(refused.stderr).error[0].code).toBe("STREAM_LEGACY");
  expect(await listGuests(place)).toEqual([]);
  expect(restore("1").status).toBe(0);
  await expectSound(await attachGuest("old", place));
});

test("one that is cut leaves no guest", async () => {
  await saveLegacy(64);
  writeFileSync(file, readFileSync(file).subarray(0, 1_000_000));
  const source = await openImage(file);
  const restored = restoreGuest({ source, engine, signal: never, prepare, startAs: "running" });
  await expect(restored).rejects.toMatchObject({ code: "STREAM_TRUNCATED" });
  await source.close();
  expect(await listGuests(place)).toEqual([]);
});
