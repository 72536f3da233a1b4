import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { countPages } from "../../src/migration/page-census.ts";
import { type SampleOptions, sampleDirty } from "../../src/migration/sample-dirty.ts";

/** A guest that dirties a page a millisecond, and says what was done to its log. */
function guestOf(changes: { readonly failsAt?: number } = {}) {
  const calls: string[] = [];
  let cleanMs = 0;
  const dirtyPages = () => Math.floor(systemClock.nowMs() - cleanMs);
  const logDirty: SampleOptions["guest"]["logDirty"] = {
    method: "software",
    enable: async () => {
      calls.push("enable");
      cleanMs = systemClock.nowMs();
    },
    cleanDirty: async () => {
      calls.push("clean");
      const pages = dirtyPages();
      cleanMs = systemClock.nowMs();
      return pages;
    },
    peekDirty: async () => {
      calls.push("peek");
      if (calls.length === changes.failsAt) {
        throw new Error("lost");
      }
      return dirtyPages();
    },
    disable: async () => {
      calls.push("disable");
    },
  };
  const counters = () => {
    const stores = BigInt(Math.floor(systemClock.nowMs()));
    return { stores, reads: 0n, faults: 0n };
  };
  const status: SampleOptions["guest"]["status"] = async () => ({
    runState: "running",
    vcpus: [counters(), counters()],
  });
  const memory = { pfnCount: 4096 } as SampleOptions["guest"]["memory"];
  return { calls, guest: { logDirty, status, memory } };
}

const run = (guest: SampleOptions["guest"], signal = new AbortController().signal) =>
  sampleDirty({ guest, clock: systemClock, timeMs: 300, signal });

describe("looking at a guest's dirty log", () => {
  test("sees what is dirty after windows that grow, in passes that begin anew", async () => {
    const { calls, guest } = guestOf();
    const { points, harvests, stores } = await run(guest);
    // 15, 15, 30, 60 and 180 ms: windows of 10, 15, 22.5 … ms, and their own ends.
    expect(calls.filter((call) => call === "peek")).toHaveLength(2 + 2 + 4 + 6 + 9);
    expect(calls.filter((call) => call === "clean")).toHaveLength(6);
    expect([calls[0], calls[1], calls.at(-1)]).toEqual(["enable", "clean", "disable"]);
    for (const { windowMs, dirtyPages } of points) {
      expect(Math.abs(dirtyPages - windowMs)).toBeLessThan(10);
    }
    expect(harvests).toHaveLength(6);
    for (const rate of Object.values(stores)) {
      expect(rate / 2000).toBeCloseTo(1, 1);
    }
  });

  test("ends the logging when the guest cannot be asked any more", async () => {
    const { calls, guest } = guestOf({ failsAt: 6 });
    await expect(run(guest)).rejects.toThrow("lost");
    expect(calls.at(-1)).toBe("disable");
  });

  test("ends the logging when it is interrupted", async () => {
    const { calls, guest } = guestOf();
    const interruption = new AbortController();
    const { enable } = guest.logDirty;
    const logDirty = {
      ...guest.logDirty,
      enable: async () => {
        await enable();
        interruption.abort();
      },
    };
    await expect(run({ ...guest, logDirty }, interruption.signal)).rejects.toMatchObject({
      code: "MIGRATION_INTERRUPTED",
    });
    expect(calls.at(-1)).toBe("disable");
  });
});

describe("counting pages", () => {
  test("tells those with data from those without memory, and those of zeros", async () => {
    const memory = {
      pfnCount: 64,
      populated: async (bitmap: Uint8Array) => {
        bitmap.fill(0xff, 0, 4);
      },
      gather: async (pfns: Uint32Array, pages: Uint8Array) => {
        for (const [index, pfn] of pfns.entries()) {
          pages[index * 4096 + 4095] = pfn % 4;
        }
      },
    };
    const guest = { memory } as unknown as Parameters<typeof countPages>[0];
    // 32 have memory; every fourth of them is zero.
    expect(await countPages(guest, createReferenceEngine())).toEqual({
      dataPages: 24,
      emptyPages: 40,
    });
  });
});
