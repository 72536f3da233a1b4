import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { bitmapBytes, PAGE_BYTES } from "../../src/base/units.ts";
import { attachGuest, listGuests, openBackend } from "../../src/guest/open.ts";
import type { GuestKind, GuestSink, GuestSource } from "../../src/guest/types.ts";

/** A run folder of one test; `dispose` ends the guests in it. */
export interface TestRunDir {
  readonly runDir: string;
  dispose(): Promise<void>;
}

/** Makes a run folder that no other test knows. */
export async function makeRunDir(): Promise<TestRunDir> {
  const runDir = await mkdtemp(path.join(os.tmpdir(), "xenferry-guests-"));
  return {
    runDir,
    dispose: async () => {
      for (const { name } of await listGuests({ runDir })) {
        const guest = await attachGuest(name, { runDir });
        await guest.destroy();
        await guest.cleanup();
      }
      await rm(runDir, { recursive: true, force: true });
    },
  };
}

/** Numbers of the set bits of a bitmap, rising. */
export function bitsOf(bitmap: Uint8Array): Uint32Array {
  const bits: number[] = [];
  for (const [index, octet] of bitmap.entries()) {
    for (let bit = 0; bit < 8; bit += 1) {
      if ((octet >> bit) & 1) {
        bits.push(index * 8 + bit);
      }
    }
  }
  return Uint32Array.from(bits);
}

/** The pages that `source` marked dirty since it was last asked. */
export async function dirtyPfns(source: GuestSource): Promise<Uint32Array> {
  const bitmap = new Uint8Array(bitmapBytes(source.memory.pfnCount));
  await source.logDirty.cleanDirty(bitmap);
  return bitsOf(bitmap);
}

/** All pages of a guest. */
export function allPfns(guest: GuestSource | GuestSink): Uint32Array {
  return Uint32Array.from({ length: guest.memory.pfnCount }, (_, pfn) => pfn);
}

/** Copies pages from one guest to another. */
export async function copyPages(
  source: GuestSource,
  sink: GuestSink,
  pfns: Uint32Array,
): Promise<void> {
  const pages = new Uint8Array(pfns.length * PAGE_BYTES);
  await source.memory.gather(pfns, pages);
  await sink.memory.scatter(pfns, pages);
}

/** Resolves when the vCPUs have stored `count` more pages together, and each of them one. */
export async function storesMore(guest: GuestSource | GuestSink, count: number): Promise<void> {
  const before = (await guest.status()).vcpus;
  for (;;) {
    // Asking takes a turn of the event loop each time; there is no event to wait for.
    const { vcpus } = await guest.status();
    const gains = vcpus.map(({ stores }, vcpu) => stores - before[vcpu]!.stores);
    const sum = gains.reduce((total, gain) => total + gain, 0n);
    if (sum >= BigInt(count) && gains.every((gain) => gain > 0n)) {
      return;
    }
  }
}

/** Stores of all vCPUs of a guest. */
export async function storesOf(guest: GuestSource | GuestSink): Promise<bigint> {
  const { vcpus } = await guest.status();
  return vcpus.reduce((sum, { stores }) => sum + stores, 0n);
}

/** Whether a guest proves its memory, with no page or version wrong. */
export async function isProven(guest: GuestSource | GuestSink): Promise<boolean> {
  const { pagesBad, versionsMatch, pagesChecked, vcpus } = await guest.check();
  const faults = vcpus.reduce((sum, vcpu) => sum + vcpu.faults, 0n);
  return pagesBad === 0 && versionsMatch && faults === 0n && pagesChecked === guest.memory.pfnCount;
}

/** Kinds of guest that cannot run on this machine; says why, for tests that skip over it. */
export async function unavailableKinds(kinds: readonly GuestKind[]): Promise<Set<GuestKind>> {
  const { runDir, dispose } = await makeRunDir();
  const unavailable = new Set<GuestKind>();
  for (const kind of kinds) {
    const availability = await (await openBackend(kind, { runDir })).probe();
    if (!availability.available) {
      console.warn(`skipped: ${kind} guests cannot run here: ${availability.reason}`);
      unavailable.add(kind);
    }
  }
  await dispose();
  return unavailable;
}
