import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bitmapBytes, PAGE_BYTES } from "../../src/base/units.ts";
import { parseGuestSpec } from "../../src/guest/config.ts";
import { attachGuest, listGuests, openBackend } from "../../src/guest/open.ts";
import { openRegistry } from "../../src/guest/registry.ts";
import type { GuestKind, GuestSource } from "../../src/guest/types.ts";
import { pageWords, versionTerm } from "../../src/guest/workload.ts";
import {
  allPfns,
  bitsOf,
  copyPages,
  dirtyPfns,
  isProven,
  makeRunDir,
  storesMore,
  storesOf,
  type TestRunDir,
  unavailableKinds,
} from "../support/guests.ts";

/**
 * What each kind of embedded guest does, and what they do with each other's images. Guests are
 * small: 8 MiB, 2048 pages.
 */

const KINDS = ["process", "synthetic"] as const satisfies readonly GuestKind[];
const UNAVAILABLE = await unavailableKinds(KINDS);
const BUSY = "memory=8M,vcpus=2,dirty=4000p,hot=25%,read=20%,pattern=uniform";

let place: TestRunDir;

beforeEach(async () => {
  place = await makeRunDir();
});

afterEach(() => place.dispose());

function refused(code: string): object {
  return expect.objectContaining({ code });
}

describe.each(KINDS)("%s guest", (kind) => {
  const isHere = !UNAVAILABLE.has(kind);
  const create = async (settings = BUSY, mode: "running" | "paused" = "running") =>
    (await openBackend(kind, place)).create(parseGuestSpec(`${kind}:${settings}`), mode);
  const prepare = async (settings = BUSY) =>
    (await openBackend(kind, place)).prepare(parseGuestSpec(`${kind}:${settings},name=sink`));

  test.runIf(isHere)("runs, proves its memory, stops and goes on", async () => {
    const guest = await create();
    await storesMore(guest, 50);
    expect(await isProven(guest)).toBe(true);
    expect((await guest.status()).runState).toBe("running");
    await storesMore(guest, 1);
    await guest.suspend();
    const stopped = await storesOf(guest);
    expect(await isProven(guest)).toBe(true);
    expect(await guest.status()).toMatchObject({ runState: "suspended" });
    expect(await storesOf(guest)).toBe(stopped);
    await guest.resume();
    await storesMore(guest, 50);
    expect(await isProven(guest)).toBe(true);
    await guest.cleanup();
  });

  test.runIf(isHere)("is paused and unpaused, and suspended while paused", async () => {
    const guest = await create(BUSY, "paused");
    expect(await guest.status()).toMatchObject({ runState: "paused" });
    expect(await storesOf(guest)).toBe(0n);
    await guest.resume();
    await storesMore(guest, 1);
    await guest.pause();
    expect(await guest.status()).toMatchObject({ runState: "paused" });
    await guest.suspend();
    expect(await guest.status()).toMatchObject({ runState: "suspended" });
    await guest.cleanup();
  });

  test.runIf(isHere)("makes the content that the oracle says", async () => {
    const guest = await create("memory=8M,vcpus=2,dirty=4000p,fill=text,hot=16K,seed=5,read=0");
    await storesMore(guest, 20);
    await guest.suspend();
    const pages = new Uint8Array(2048 * PAGE_BYTES);
    await guest.memory.gather(allPfns(guest), pages);
    let versions = 0n;
    for (let pfn = 0; pfn < 2048; pfn += 1) {
      const words = new BigUint64Array(pages.buffer, pfn * PAGE_BYTES, 512);
      const version = words[1]!;
      const isHot = pfn >= 1022 && pfn < 1026;
      expect(version > 0n).toBe(isHot);
      versions += versionTerm(5n, pfn, version);
      if (isHot || pfn % 97 === 0) {
        expect(words).toEqual(pageWords({ seed: 5n, fill: "text" }, pfn, version));
      }
    }
    expect(await isProven(guest)).toBe(true);
    expect(versions).toBeGreaterThan(0n);
    await guest.cleanup();
  });

  test.runIf(isHere)("writes zeros into half of its pages where asked to", async () => {
    const guest = await create("memory=8M,dirty=0,fill=half-zero,seed=5");
    const pages = new Uint8Array(2048 * PAGE_BYTES);
    await guest.memory.gather(allPfns(guest), pages);
    for (let pfn = 0; pfn < 2048; pfn += 5) {
      const words = new BigUint64Array(pages.buffer, pfn * PAGE_BYTES, 512);
      expect(words).toEqual(pageWords({ seed: 5n, fill: "half-zero" }, pfn, 0n));
    }
    expect(await isProven(guest)).toBe(true);
    await guest.cleanup();
  });

  test.runIf(isHere)("counts pages dirty here and there once, however it looks", async () => {
    const guest = await create("memory=16M,vcpus=1,dirty=40000p,hot=100%,pattern=uniform");
    await guest.logDirty.enable();
    await dirtyPfns(guest);
    await storesMore(guest, 2500);
    await guest.suspend();
    const peeked = await guest.logDirty.peekDirty();
    expect(peeked).toBeGreaterThan(1024);
    expect((await dirtyPfns(guest)).length).toBe(peeked);
    await guest.cleanup();
  });

  test.runIf(isHere)("logs each store, and each only once", async () => {
    const guest = await create(BUSY, "paused");
    await guest.logDirty.enable();
    const [before, after] = [0, 1].map(() => new Uint8Array(2048 * PAGE_BYTES));
    await dirtyPfns(guest);
    await guest.memory.gather(allPfns(guest), before!);
    await guest.resume();
    await storesMore(guest, 100);
    const early = await dirtyPfns(guest);
    await storesMore(guest, 100);
    await guest.suspend();
    const peeked = await guest.logDirty.peekDirty();
    const late = await dirtyPfns(guest);
    expect(late.length).toBe(peeked);
    expect(await guest.logDirty.peekDirty()).toBe(0);
    await guest.memory.gather(allPfns(guest), after!);
    const changed = [...allPfns(guest)].filter((pfn) => {
      const [start, end] = [pfn * PAGE_BYTES, (pfn + 1) * PAGE_BYTES];
      return Buffer.compare(before!.subarray(start, end), after!.subarray(start, end)) !== 0;
    });
    expect([...new Set([...early, ...late])].sort((a, b) => a - b)).toEqual(changed);
    expect(changed.length).toBeGreaterThan(50);
    await guest.logDirty.disable();
    await guest.cleanup();
  });

  test.runIf(isHere)(
    "logs stores all over a memory that several threads look through",
    async () => {
      const guest = await create("memory=512M,dirty=20000p,fill=zero,hot=100%,read=0", "paused");
      await guest.logDirty.enable();
      await guest.resume();
      await storesMore(guest, 2000);
      await guest.suspend();
      const populated = new Uint8Array(bitmapBytes(guest.memory.pfnCount));
      await guest.memory.populated(populated);
      const dirty = await dirtyPfns(guest);
      expect(dirty.length).toBeGreaterThan(1000);
      expect([...dirty]).toEqual([...bitsOf(populated)]);
      expect(new Set(dirty.map((pfn) => pfn >> 15))).toEqual(new Set([0, 1, 2, 3]));
      await guest.cleanup();
    },
  );

  test.runIf(isHere)("knows which pages may hold anything", async () => {
    const guest = await create("memory=8M,dirty=4000p,fill=zero,hot=16K,read=0");
    await storesMore(guest, 30);
    await guest.suspend();
    const bitmap = new Uint8Array(bitmapBytes(2048)).fill(255);
    await guest.memory.populated(bitmap);
    const populated = [...bitsOf(bitmap)];
    const pages = new Uint8Array(2048 * PAGE_BYTES);
    await guest.memory.gather(allPfns(guest), pages);
    const stored = [1022, 1023, 1024, 1025].filter((pfn) => pages[pfn * PAGE_BYTES + 8] !== 0);
    expect(populated).toEqual(expect.arrayContaining(stored));
    expect(populated.length).toBeLessThanOrEqual(4);
    await guest.cleanup();
  });

  test.runIf(isHere)("is found again, renamed, destroyed, and then gone", async () => {
    await (await create()).cleanup();
    await expect(create()).rejects.toThrow(refused("GUEST_NAME_TAKEN"));
    const guest = await attachGuest("guest", place);
    expect(guest.config).toMatchObject({ name: "guest", kind, vcpus: 2 });
    await guest.rename("other");
    await storesMore(guest, 1);
    await guest.cleanup();
    const other = await attachGuest("other", place);
    await other.destroy();
    await other.cleanup();
    expect(await listGuests(place)).toEqual([]);
    await expect(attachGuest("other", place)).rejects.toThrow(refused("GUEST_NOT_FOUND"));
  });

  test.runIf(isHere)("that dies is reported as lost", async () => {
    const guest = await create();
    const { process: owner } = await (await openRegistry(place.runDir)).find("guest");
    process.kill(owner.pid, "SIGKILL");
    await expect(storesMore(guest, 1e9)).rejects.toThrow(refused("GUEST_LOST"));
    await guest.cleanup();
    await expect.poll(() => listGuests(place)).toEqual([]);
  });

  test.runIf(isHere)("under construction refuses what is not its own", async () => {
    const sink = await prepare();
    expect(await sink.status()).toMatchObject({ runState: "incoming" });
    const pages = new Uint8Array(2 * PAGE_BYTES).fill(1);
    const outside = sink.memory.scatter(Uint32Array.of(0, 2048), pages);
    await expect(outside).rejects.toThrow(refused("GUEST_PFN_RANGE"));
    await expect(sink.applyState([])).rejects.toThrow(refused("GUEST_STATE"));
    await sink.destroy();
    await sink.cleanup();
  });
});

const MATRIX = KINDS.flatMap((from) => KINDS.map((to) => [from, to] as const));

describe.each(MATRIX)("from %s to %s", (from, to) => {
  const isHere = !UNAVAILABLE.has(from) && !UNAVAILABLE.has(to);
  const pair = async () => {
    const config = parseGuestSpec(`${from}:${BUSY},fill=text,seed=11,name=source`);
    const source = await (await openBackend(from, place)).create(config, "running");
    const incoming = { ...config, name: "sink--incoming", kind: to };
    const sink = await (await openBackend(to, place)).prepare(incoming);
    return { source, sink };
  };

  test.runIf(isHere)("a running guest goes over live, and every page is proved", async () => {
    const { source, sink } = await pair();
    await source.logDirty.enable();
    await copyPages(source, sink, allPfns(source));
    await storesMore(source, 40);
    await copyPages(source, sink, await dirtyPfns(source));
    await storesMore(source, 40);
    await source.suspend();
    await copyPages(source, sink, await dirtyPfns(source));
    const records = await source.state();
    await sink.applyState(records);
    await sink.rename("arrived");
    await sink.start("paused");
    expect((await sink.status()).vcpus).toEqual((await source.status()).vcpus);
    expect(await isProven(sink)).toBe(true);
    await sink.cleanup();
    const arrived = await attachGuest("arrived", place);
    expect(await arrived.state()).toEqual(records);
    await arrived.resume();
    await storesMore(arrived, 40);
    expect(await isProven(arrived)).toBe(true);
    await Promise.all([source.cleanup(), arrived.cleanup()]);
  });

  test.runIf(isHere)("a dirty page left behind breaks the proof", async () => {
    const { source, sink } = await pair();
    await source.logDirty.enable();
    await copyPages(source, sink, allPfns(source));
    await dirtyPfns(source);
    await storesMore(source, 40);
    await source.suspend();
    const dirty = await dirtyPfns(source);
    const lost = await firstStoredPfn(source, dirty);
    await copyPages(
      source,
      sink,
      dirty.filter((pfn) => pfn !== lost),
    );
    const stale = pageWords({ seed: 11n, fill: "text" }, lost, 0n);
    await sink.memory.scatter(Uint32Array.of(lost), new Uint8Array(stale.buffer));
    await sink.applyState(await source.state());
    await sink.start("paused");
    // The page may have been caught in the middle of a store when it was last copied.
    const check = await sink.check();
    expect(check.versionsMatch).toBe(false);
    expect(check.pagesBad).toBeLessThanOrEqual(1);
    await Promise.all([source.cleanup(), sink.cleanup()]);
  });

  test.runIf(isHere)("a changed bit breaks the proof", async () => {
    const { source, sink } = await pair();
    await storesMore(source, 1);
    await source.suspend();
    await copyPages(source, sink, allPfns(source));
    const page = new Uint8Array(PAGE_BYTES);
    await source.memory.gather(Uint32Array.of(77), page);
    page[4000]! ^= 4;
    await sink.memory.scatter(Uint32Array.of(77), page);
    await sink.applyState(await source.state());
    await sink.start("paused");
    expect(await sink.check()).toMatchObject({ pagesBad: 1, badPfns: [77] });
    await Promise.all([source.cleanup(), sink.cleanup()]);
  });

  /** A page among `pfns` that was stored to. */
  async function firstStoredPfn(source: GuestSource, pfns: Uint32Array): Promise<number> {
    const pages = new Uint8Array(pfns.length * PAGE_BYTES);
    await source.memory.gather(pfns, pages);
    const versions = [...pfns].map((_, index) => pages[index * PAGE_BYTES + 8]!);
    return pfns[versions.findIndex((version) => version > 0)]!;
  }
});
