import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { attachGuest } from "../../src/guest/open.ts";
import type { GuestKind, GuestSource } from "../../src/guest/types.ts";
import type { PrecopyPolicy, PrecopyStatistics } from "../../src/model/policy.ts";
import {
  isProven,
  makeRunDir,
  storesMore,
  type TestRunDir,
  unavailableKinds,
} from "../support/guests.ts";
import { createGuest, migrateHere } from "../support/migration.ts";

const KINDS = ["process", "synthetic"] as const satisfies readonly GuestKind[];
const unavailable = await unavailableKinds(KINDS);

let place: TestRunDir;

beforeEach(async () => {
  place = await makeRunDir();
});

afterEach(() => place.dispose());

/** Stores 80 MB/s to 4 MB, which a limit of 10 MB/s never catches up with. */
const SPEC = "memory=8M,vcpus=2,dirty=20000p,hot=50%,pattern=uniform";
const BYTES_PER_SECOND = 10e6;

/** A guest that says what it was told, in order. */
function watched(guest: GuestSource) {
  const percents: number[] = [];
  const throttle = (percent: number) => {
    percents.push(percent);
    return guest.throttle!(percent);
  };
  return { percents, guest: { ...guest, throttle } };
}

/** Ends with `action` once the guest was slowed down by `percent`. */
function untilPercent(percent: number, action: "stop-and-copy" | "abort"): PrecopyPolicy {
  return {
    name: "until",
    parameters: { percent },
    decide: ({ throttle }: PrecopyStatistics) =>
      throttle!.percent >= percent
        ? { action, reason: "slow enough" }
        : { action: "continue", reason: "too fast" },
  };
}

describe.each(KINDS)("migration that slows down a %s guest", (kind) => {
  const isHere = !unavailable.has(kind);
  const create = () => createGuest(place.runDir, `${kind}:${SPEC}`);
  const options = { throttles: true, bytesPerSecondMax: BYTES_PER_SECOND };

  test.runIf(isHere)("goes step by step, and the guest is free at the other end", async () => {
    const guest = await create();
    const { percents, guest: slowed } = watched(guest);
    const policy = untilPercent(40, "stop-and-copy");
    const { source } = await migrateHere(place.runDir, slowed, { ...options, policy });
    expect(source.status).toBe("fulfilled");
    expect(percents).toEqual([20, 30, 40]);
    await guest.cleanup();
    const there = await attachGuest("guest", place);
    await storesMore(there, 4000);
    expect(await isProven(there)).toBe(true);
    await there.cleanup();
  });

  test.runIf(isHere)("gives the time back when it is given up", async () => {
    const guest = await create();
    const { percents, guest: slowed } = watched(guest);
    const policy = untilPercent(30, "abort");
    const { source } = await migrateHere(place.runDir, slowed, { ...options, policy });
    expect(source).toMatchObject({ status: "rejected", reason: { code: "MIGRATION_ABORTED" } });
    expect(percents).toEqual([20, 30, 0]);
    await storesMore(guest, 4000);
    await guest.cleanup();
  });

  test.runIf(isHere)("gives the time back when it is interrupted", async () => {
    const guest = await create();
    const { percents, guest: slowed } = watched(guest);
    const interruption = new AbortController();
    const { source } = await migrateHere(place.runDir, slowed, {
      ...options,
      policy: untilPercent(100, "abort"),
      signal: interruption.signal,
      onProgress: ({ kind: event }) => {
        if (event === "step") {
          interruption.abort();
        }
      },
    });
    expect(source).toMatchObject({ status: "rejected", reason: { code: "MIGRATION_INTERRUPTED" } });
    expect(percents).toEqual([20, 0]);
    await storesMore(guest, 4000);
    await guest.cleanup();
  });

  test.runIf(isHere)("leaves a guest alone that nobody asked to slow down", async () => {
    const guest = await create();
    const { percents, guest: slowed } = watched(guest);
    const { source } = await migrateHere(place.runDir, slowed, {
      bytesPerSecondMax: BYTES_PER_SECOND,
    });
    expect(source.status).toBe("fulfilled");
    expect(percents).toEqual([]);
    await guest.cleanup();
  });

  test.runIf(isHere)("says so where a guest cannot be slowed down", async () => {
    const guest = await create();
    const { throttle: _, ...plain } = guest;
    const { source } = await migrateHere(place.runDir, plain, options);
    expect(source).toMatchObject({ status: "rejected", reason: { code: "GUEST_UNAVAILABLE" } });
    await storesMore(guest, 10);
    await guest.cleanup();
  });
});
