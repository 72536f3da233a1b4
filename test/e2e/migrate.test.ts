import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseGuestSpec } from "../../src/guest/config.ts";
import { attachGuest, listGuests, openBackend } from "../../src/guest/open.ts";
import type { GuestKind, GuestSource } from "../../src/guest/types.ts";
import {
  bitsOf,
  isProven,
  makeRunDir,
  storesMore,
  storesOf,
  type TestRunDir,
  unavailableKinds,
} from "../support/guests.ts";
import { createGuest, migrateHere, openLink } from "../support/migration.ts";

const KINDS = ["process", "synthetic"] as const satisfies readonly GuestKind[];
const unavailable = await unavailableKinds(KINDS);

let place: TestRunDir;

beforeEach(async () => {
  place = await makeRunDir();
});

afterEach(async () => {
  await place.dispose();
});

describe.each(KINDS)("migration of a %s guest", (kind) => {
  const isHere = !unavailable.has(kind);
  const create = (spec = "memory=8M,dirty=2000p,hot=25%,vcpus=2") =>
    createGuest(place.runDir, `${kind}:${spec}`);
  const arrived = () => attachGuest("guest", place);

  test.runIf(isHere).each(["live", "non-live"] as const)(
    "%s, keeps every page and goes on",
    async (mode) => {
      const guest = await create();
      await storesMore(guest, 50);
      const { source, target } = await migrateHere(place.runDir, guest, { mode });
      expect([source.status, target.status]).toEqual(["fulfilled", "fulfilled"]);
      await guest.cleanup();
      const there = await arrived();
      expect(await listGuests(place)).toMatchObject([{ name: "guest" }]);
      await storesMore(there, 50);
      expect(await isProven(there)).toBe(true);
      await there.cleanup();
    },
  );

  test.runIf(isHere)("adds the parts of downtime up, on counters that never go back", async () => {
    const guest = await create();
    const { source } = await migrateHere(place.runDir, guest);
    await guest.cleanup();
    if (source.status !== "fulfilled") {
      throw source.reason;
    }
    const { downtime, vcpusAtStop, iterations } = source.value;
    const { totalMs, ...parts } = downtime;
    const sum = Object.values(parts).reduce((total, part) => total + part, 0);
    expect(sum).toBeCloseTo(totalMs, 6);
    expect(iterations[0]).toMatchObject({ iteration: 0, phase: "precopy", pagesPlanned: 2048 });
    expect(iterations.at(-1)).toMatchObject({ phase: "stop-and-copy", dirtyPagesAtEnd: "unknown" });
    const there = await arrived();
    const stopped = (await vcpusAtStop).reduce((total, { stores }) => total + stores, 0n);
    expect(await storesOf(there)).toBeGreaterThanOrEqual(stopped);
    await there.cleanup();
  });

  test.runIf(isHere)("fails the proof when one dirty page is dropped", async () => {
    const guest = await create("memory=8M,dirty=2000p,hot=25%,vcpus=2,pattern=uniform");
    await storesMore(guest, 50);
    const dropping = withoutOneDirtyPage(guest);
    const { source } = await migrateHere(place.runDir, dropping.guest);
    expect(source.status).toBe("fulfilled");
    expect(dropping.dropped()).toBeDefined();
    await guest.cleanup();
    const there = await arrived();
    // The page may have been caught in the middle of a store when it was last copied.
    const check = await there.check();
    expect(check.versionsMatch).toBe(false);
    expect(check.pagesBad).toBeLessThanOrEqual(1);
    await there.cleanup();
  });

  test.runIf(isHere)("sends deferred pages in the end", async () => {
    const guest = await create("memory=8M,dirty=0p,vcpus=1,fill=random");
    const deferring = { ...guest, memory: { ...guest.memory, unsendable: everyThird(guest) } };
    const { source } = await migrateHere(place.runDir, deferring);
    if (source.status !== "fulfilled") {
      throw source.reason;
    }
    const [first, ...rest] = source.value.iterations;
    expect(first).toMatchObject({ pagesDeferred: 683, pagesSent: 1365 });
    expect(rest.reduce((sum, entry) => sum + entry.pagesSent, 0)).toBe(683);
    await guest.cleanup();
    const there = await arrived();
    expect(await isProven(there)).toBe(true);
    await there.cleanup();
  });

  test.runIf(isHere)("leaves the guest running here when the link breaks", async () => {
    const guest = await create();
    const link = await openLink();
    const { source, target } = await migrateHere(place.runDir, guest, {
      link,
      onProgress: ({ kind: event }) => {
        if (event === "pages") {
          void link.target.close();
        }
      },
    });
    expect([source.status, target.status]).toEqual(["rejected", "rejected"]);
    await expectRunningHere(guest);
    await guest.cleanup();
  });

  test.runIf(isHere)("leaves the guest running here when it is interrupted", async () => {
    const guest = await create();
    const interruption = new AbortController();
    const { source } = await migrateHere(place.runDir, guest, {
      signal: interruption.signal,
      onProgress: ({ kind: event }) => {
        if (event === "iteration") {
          interruption.abort();
        }
      },
    });
    expect(source).toMatchObject({ reason: { code: "MIGRATION_INTERRUPTED" } });
    await expectRunningHere(guest);
    await guest.cleanup();
  });

  test.runIf(isHere)("leaves no half-filled guest when its receiver dies", async () => {
    const config = parseGuestSpec(`${kind}:memory=1M,name=half`);
    const sink = await (await openBackend(kind, place)).prepare(config);
    expect(await listGuests(place)).toMatchObject([{ name: "half" }]);
    await sink.cleanup();
    await expect.poll(() => listGuests(place)).toEqual([]);
  });

  test.runIf(isHere)("takes the guest back when it cannot be started there", async () => {
    const guest = await create();
    const { source, target } = await migrateHere(place.runDir, guest, {
      sabotageSink: (sink) => ({ ...sink, start: () => Promise.reject(new Error("no start")) }),
    });
    expect(source).toMatchObject({ reason: { code: "HANDSHAKE_REFUSED" } });
    expect(target).toMatchObject({ reason: { message: "no start" } });
    await expectRunningHere(guest);
    await guest.cleanup();
  });

  test.runIf(isHere)("keeps the suspended guest when nobody knows who has it", async () => {
    const guest = await create();
    const link = await openLink();
    const { source } = await migrateHere(place.runDir, guest, {
      link,
      sabotageSink: (sink) => ({
        ...sink,
        start: async () => {
          await link.target.close();
        },
      }),
    });
    expect(source).toMatchObject({ reason: { code: "HANDSHAKE_UNDECIDED" } });
    await guest.cleanup();
    const kept = await attachGuest("guest--migratedaway", place);
    expect((await kept.status()).runState).toBe("suspended");
    await kept.cleanup();
  });

  async function expectRunningHere(guest: GuestSource): Promise<void> {
    await expect.poll(() => listGuests(place)).toMatchObject([{ name: "guest" }]);
    expect((await guest.status()).runState).toBe("running");
    await storesMore(guest, 20);
    expect(await isProven(guest)).toBe(true);
  }
});

/** Forgets one page that is dirty at the last harvest and was not waiting to be sent anyway. */
function withoutOneDirtyPage(guest: GuestSource) {
  let isSuspended = false;
  let waiting: readonly number[] = [];
  let dropped: number | undefined;
  const saboteur: GuestSource = {
    ...guest,
    suspend: async () => {
      await storesMore(guest, 100);
      await guest.suspend();
      isSuspended = true;
    },
    logDirty: {
      ...guest.logDirty,
      cleanDirty: async (outBitmap) => {
        const count = await guest.logDirty.cleanDirty(outBitmap);
        const found = [...bitsOf(outBitmap)];
        dropped = isSuspended ? found.find((pfn) => !waiting.includes(pfn)) : undefined;
        waiting = found;
        if (dropped !== undefined) {
          outBitmap[dropped >>> 3]! &= ~(1 << (dropped & 7));
        }
        return count;
      },
    },
  };
  return { guest: saboteur, dropped: () => dropped };
}

/**
 * Refuses each third page until the guest is suspended, which ends all iterations but the first.
 */
function everyThird(guest: GuestSource): (pfns: Uint32Array) => Uint8Array {
  const refused = new Set<number>();
  return (pfns) =>
    Uint8Array.from(pfns, (pfn) => {
      const refuses = pfn % 3 === 0 && pfn < guest.memory.pfnCount && !refused.has(pfn);
      refused.add(pfn);
      return refuses ? 1 : 0;
    });
}
