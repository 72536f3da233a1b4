import { beforeAll, describe, expect, test } from "vitest";
import { PAGE_BYTES } from "../../../src/base/units.ts";
import { parseGuestSpec } from "../../../src/guest/config.ts";
import {
  guestLayout,
  resultOffset,
  STATE_WORDS,
  TABLES_BYTES_MAX,
  vcpuOffset,
} from "../../../src/guest/synthetic/layout.ts";
import { compileGuestModule } from "../../../src/guest/synthetic/module.ts";
import { seatVcpu } from "../../../src/guest/synthetic/vcpu.ts";
import type { GuestConfig } from "../../../src/guest/types.ts";
import {
  initialVcpuState,
  nextOperation,
  PAGE_WORDS,
  pageWords,
  pfnCountOf,
  type VcpuState,
  versionTerm,
  workloadShape,
} from "../../../src/guest/workload.ts";

let module: WebAssembly.Module;

beforeAll(async () => {
  module = await compileGuestModule();
});

/** A guest's memory with one instance of the machine code, for vCPU `vcpu`. */
function seat(config: GuestConfig, vcpu = 0) {
  const layout = guestLayout(pfnCountOf(config), config.vcpus);
  const pages = layout.totalBytes / 65536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const guest = seatVcpu({ module, memory, layout, config, vcpu });
  const stateWords = new BigUint64Array(memory.buffer, vcpuOffset(vcpu), STATE_WORDS.length);
  const initial = initialVcpuState(config.workload.seed, vcpu);
  stateWords.set(STATE_WORDS.map((name) => initial[name]));
  return {
    guest,
    layout,
    memory,
    initial,
    ram: new Uint8Array(memory.buffer, layout.ramOffset, layout.pfnCount * PAGE_BYTES),
    words: (pfn: number) =>
      new BigUint64Array(memory.buffer, layout.ramOffset + pfn * PAGE_BYTES, PAGE_WORDS),
    dirty: new Uint8Array(memory.buffer, layout.dirtyOffset, layout.bitmapBytes),
    flag: (offset: number) => new Int32Array(memory.buffer, offset, 1),
    state: () =>
      Object.fromEntries(STATE_WORDS.map((name, index) => [name, stateWords[index]!])) as Record<
        keyof VcpuState,
        bigint
      >,
    check: () => {
      guest.checkPages(0, layout.pfnCount, resultOffset(vcpu));
      const [pagesBad, versions] = new BigUint64Array(memory.buffer, resultOffset(vcpu), 2);
      const badPfns = [...new Uint32Array(memory.buffer, resultOffset(vcpu) + 16, 16)];
      return { pagesBad: Number(pagesBad!), versions: versions!, badPfns };
    },
  };
}

describe("page content is the oracle's", () => {
  test.each(["zero", "random", "text", "half-zero"] as const)("fill %s", (fill) => {
    const config = parseGuestSpec(`synthetic:memory=128K,fill=${fill},seed=0xfedcba9876543210`);
    const { guest, ram, words } = seat(config);
    ram.fill(0xff);
    guest.fillPages(0, 31);
    for (const pfn of [0, 15, 16, 30]) {
      expect(words(pfn)).toEqual(pageWords(config.workload, pfn, 0n));
    }
    expect(words(31)[0]).toBe(2n ** 64n - 1n);
    for (const version of [1n, 2n ** 32n, 2n ** 64n - 1n]) {
      guest.writePage(31, version);
      expect(words(31)).toEqual(pageWords(config.workload, 31, version));
    }
  });
});

describe("operations are the oracle's", () => {
  test.each([
    ["sequential", 0],
    ["sequential", 2],
    ["uniform", 1],
    ["zipf", 2],
  ] as const)("%s, vCPU %i", (pattern, vcpu) => {
    const spec = `synthetic:memory=256K,vcpus=3,hot=80K,read=30%,seed=9,pattern=${pattern}`;
    const config = parseGuestSpec(spec);
    const { guest, words, state, initial } = seat(config, vcpu);
    guest.fillPages(0, 64);
    expect(guest.runOperations(200)).toBe(200);
    const expected = operated(config, vcpu, initial, 200);
    expect(state()).toEqual(expected.state);
    for (const [pfn, version] of expected.versions) {
      expect(words(pfn)).toEqual(pageWords(config.workload, pfn, version));
    }
    expect(expected.state.reads).toBeGreaterThan(0n);
  });

  /** What `count` operations make of a vCPU and of the versions of its pages. */
  function operated(config: GuestConfig, vcpu: number, initial: VcpuState, count: number) {
    const { seed } = config.workload;
    const shape = workloadShape(config);
    const versions = new Map<number, bigint>();
    let state = initial;
    for (let done = 0; done < count; done += 1) {
      const { kind, pfn, prng, cursor } = nextOperation(shape, vcpu, state);
      state = { ...state, prng, cursor };
      const version = versions.get(pfn) ?? 0n;
      if (kind === "read") {
        state = { ...state, reads: state.reads + 1n };
      } else {
        const change = versionTerm(seed, pfn, version + 1n) - versionTerm(seed, pfn, version);
        const sum = BigInt.asUintN(64, state.versions + change);
        state = { ...state, stores: state.stores + 1n, versions: sum };
        versions.set(pfn, version + 1n);
      }
    }
    return { state, versions };
  }

  test("none is done while the stop flag is set", () => {
    const { guest, flag, layout, state, initial } = seat(parseGuestSpec("synthetic:memory=64K"));
    Atomics.store(flag(layout.stopOffset), 0, 1);
    expect(guest.runOperations(5)).toBe(0);
    expect(state()).toEqual(initial);
  });

  test("stores mark the dirty bitmap while it is asked for", () => {
    const spec = "synthetic:memory=256K,hot=64K,read=0%,pattern=sequential";
    const { guest, flag, layout, dirty } = seat(parseGuestSpec(spec));
    guest.runOperations(5);
    expect(dirty.every((octet) => octet === 0)).toBe(true);
    Atomics.store(flag(layout.loggingOffset), 0, 1);
    // The working set is pages 24 to 39; the sixth store goes to page 29.
    guest.runOperations(4);
    expect([...dirty]).toEqual([0, 0, 0, 0b1110_0000, 0b0000_0001, 0, 0, 0]);
  });

  test("a read finds a page that is not what it must be", () => {
    const spec = "synthetic:memory=64K,hot=100%,read=99%,pattern=sequential";
    const { guest, ram, state } = seat(parseGuestSpec(spec));
    guest.fillPages(0, 16);
    ram[7 * PAGE_BYTES + 4095]! ^= 0x80;
    guest.runOperations(16);
    expect(state().faults).toBe(1n);
  });
});

describe("the check", () => {
  const config = parseGuestSpec("synthetic:memory=256K,hot=50%,read=0%,fill=text");

  test("proves memory after stores", () => {
    const { guest, check, state } = seat(config);
    guest.fillPages(0, 64);
    guest.runOperations(300);
    expect(check()).toMatchObject({ pagesBad: 0, versions: state().versions });
  });

  test.each([0, 8, 16, 24, 2048, 4095])("finds a changed octet %i", (offset) => {
    const { guest, check, ram } = seat(config);
    guest.fillPages(0, 64);
    ram[63 * PAGE_BYTES + offset]! ^= 1;
    expect(check()).toMatchObject({ pagesBad: 1 });
    expect(check().badPfns[0]).toBe(63);
  });

  test("finds a page at another's place", () => {
    const { guest, check, ram } = seat(config);
    guest.fillPages(0, 64);
    ram.copyWithin(3 * PAGE_BYTES, 4 * PAGE_BYTES, 5 * PAGE_BYTES);
    expect(check().badPfns[0]).toBe(3);
  });

  test("finds a stale page by the sum of versions alone", () => {
    const { guest, check, state, words } = seat(config);
    guest.fillPages(0, 64);
    guest.runOperations(300);
    const pfn = 32;
    const version = words(pfn)[1]!;
    expect(version).toBeGreaterThan(0n);
    guest.writePage(pfn, version - 1n);
    expect(check().pagesBad).toBe(0);
    expect(check().versions).not.toBe(state().versions);
  });

  test("notes the first sixteen of many bad pages", () => {
    const { check } = seat(config);
    const { pagesBad, badPfns } = check();
    expect(pagesBad).toBe(64);
    expect(badPfns).toEqual(Array.from({ length: 16 }, (_, pfn) => pfn));
  });

  test("takes zeros for content where the fill is zero, and nothing else", () => {
    const { check, ram } = seat(parseGuestSpec("synthetic:memory=64K,fill=zero"));
    expect(check().pagesBad).toBe(0);
    ram[PAGE_BYTES + 4095] = 1;
    expect(check().badPfns[0]).toBe(1);
  });
});

test("pages at the very end of the largest guest are reached", () => {
  const config = parseGuestSpec("synthetic:memory=4095M,fill=zero,hot=100%,pattern=zipf");
  const { guest, words, layout, memory } = seat(config);
  const last = layout.pfnCount - 1;
  guest.writePage(last, 3n);
  expect(words(last)).toEqual(pageWords(config.workload, last, 3n));
  guest.checkPages(last - 2, 3, resultOffset(0));
  const [pagesBad, versions] = new BigUint64Array(memory.buffer, resultOffset(0), 2);
  expect([pagesBad, versions]).toEqual([0n, versionTerm(config.workload.seed, last, 3n)]);
});

test("populated pages are those with any bit set", () => {
  const { guest, layout, memory, ram } = seat(parseGuestSpec("synthetic:memory=80K"));
  for (const offset of [0, PAGE_BYTES + 63, 9 * PAGE_BYTES + 64, 20 * PAGE_BYTES - 1]) {
    ram[offset] = 0x10;
  }
  expect(guest.findPopulated(20, layout.scratchOffset)).toBe(4);
  const bitmap = new Uint8Array(memory.buffer, layout.scratchOffset, layout.bitmapBytes);
  expect([...bitmap]).toEqual([0b11, 0b10, 0b1000, 0, 0, 0, 0, 0]);
});

test("the module's own tables stay below the guest's", () => {
  const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
  const config = parseGuestSpec("synthetic:memory=64K");
  seatVcpu({ module, memory, layout: guestLayout(16, 1), config, vcpu: 0 });
  const above = new Uint8Array(memory.buffer, TABLES_BYTES_MAX);
  expect(above.every((octet) => octet === 0)).toBe(true);
});
