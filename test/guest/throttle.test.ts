import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { attachGuest } from "../../src/guest/open.ts";
import type { GuestKind, GuestSource } from "../../src/guest/types.ts";
import {
  isProven,
  makeRunDir,
  storesMore,
  storesOf,
  type TestRunDir,
  unavailableKinds,
} from "../support/guests.ts";
import { createGuest } from "../support/migration.ts";

const KINDS = ["process", "synthetic"] as const satisfies readonly GuestKind[];
const unavailable = await unavailableKinds(KINDS);

let place: TestRunDir;

beforeEach(async () => {
  place = await makeRunDir();
});

afterEach(() => place.dispose());

/** How long so many more stores take (ms). */
async function msFor(guest: GuestSource, count: number): Promise<number> {
  const startMs = performance.now();
  await storesMore(guest, count);
  return performance.now() - startMs;
}

describe.each(KINDS)("a %s guest that is slowed down", (kind) => {
  const isHere = !unavailable.has(kind);
  const create = () => createGuest(place.runDir, `${kind}:memory=8M,vcpus=2,dirty=20000p,hot=25%`);

  test.runIf(isHere)("stores less, by as much of its time as was taken", async () => {
    const guest = await create();
    await guest.throttle!(90);
    // At its own pace 1,000 stores take 50 ms; a busy machine makes it longer, never shorter.
    expect(await msFor(guest, 1000)).toBeGreaterThan(300);
    await guest.throttle!(99);
    expect(await msFor(guest, 100)).toBeGreaterThan(300);
    await guest.throttle!(0);
    await storesMore(guest, 2000);
    expect(await isProven(guest)).toBe(true);
    await guest.cleanup();
  });

  test.runIf(isHere)("stops and goes on as ever", async () => {
    const guest = await create();
    await guest.throttle!(99);
    await storesMore(guest, 2);
    await guest.suspend();
    const stopped = await storesOf(guest);
    expect(await isProven(guest)).toBe(true);
    expect(await storesOf(guest)).toBe(stopped);
    await guest.resume();
    await storesMore(guest, 2);
    await guest.cleanup();
  });

  test.runIf(isHere)("gets its time back when whoever took it is gone", async () => {
    const guest = await create();
    const other = await attachGuest("guest", place);
    await guest.throttle!(99);
    await guest.cleanup();
    // 20,000 a second, of which 99 % taken would leave 200: 4,000 would take 20 s.
    expect(await msFor(other, 4000)).toBeLessThan(10_000);
    await other.cleanup();
  });

  test.runIf(isHere)("keeps what one asked for when another is gone", async () => {
    const guest = await create();
    const other = await attachGuest("guest", place);
    await guest.throttle!(99);
    await other.cleanup();
    expect(await msFor(guest, 100)).toBeGreaterThan(300);
    await guest.cleanup();
  });

  test.runIf(isHere).each([100, -1, 1.5])("refuses %d percent", async (percent) => {
    const guest = await create();
    await expect(guest.throttle!(percent)).rejects.toMatchObject({ code: /^GUEST_/ });
    await storesMore(guest, 10);
    await guest.cleanup();
  });
});
