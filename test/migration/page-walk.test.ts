import { describe, expect, test } from "vitest";
import { pagingModeOf } from "../../src/format/paging.ts";
import { walkPageTables } from "../../src/migration/page-walk.ts";
import { VcpuPaging } from "../../src/migration/vcpu-paging.ts";

/** Pages with entries at some indexes; others are not there. */
function memoryOf(
  entryBytes: 4 | 8,
  tables: Readonly<Record<number, Readonly<Record<number, bigint>>>>,
) {
  return async (pfn: number) => {
    const entries = tables[pfn];
    if (entries === undefined) {
      return undefined;
    }
    const page = new Uint8Array(4096);
    const view = new DataView(page.buffer);
    for (const [index, entry] of Object.entries(entries)) {
      if (entryBytes === 8) {
        view.setBigUint64(Number(index) * 8, entry, true);
      } else {
        view.setUint32(Number(index) * 4, Number(entry), true);
      }
    }
    return page;
  };
}

describe("walkPageTables", () => {
  test("4-level, a page of 4 KiB", async () => {
    const memory = memoryOf(8, {
      16: { 511: 0x11067n },
      17: { 510: 0x12063n },
      18: { 8: 0x13063n },
      19: { 452: 0x8000_0000_0123_41e5n },
    });
    const start = {
      mode: "4-level",
      tableAddress: 0x10000n,
      address: 0xffff_ffff_811c_4c75n,
    } as const;
    expect(await walkPageTables(start, memory)).toEqual({
      mode: "4-level",
      address: "0xffffffff811c4c75",
      steps: [
        {
          level: 4,
          table_pfn: "0x10",
          index: 511,
          entry: "0x11067",
          flags: ["present", "writable", "user", "accessed", "dirty"],
        },
        {
          level: 3,
          table_pfn: "0x11",
          index: 510,
          entry: "0x12063",
          flags: ["present", "writable", "accessed", "dirty"],
        },
        {
          level: 2,
          table_pfn: "0x12",
          index: 8,
          entry: "0x13063",
          flags: ["present", "writable", "accessed", "dirty"],
        },
        {
          level: 1,
          table_pfn: "0x13",
          index: 452,
          entry: "0x80000000012341e5",
          flags: ["present", "user", "accessed", "dirty", "pat", "global", "no_execute"],
        },
      ],
      outcome: "mapped",
      physical: "0x1234c75",
      pfn: 0x1234,
      page_bytes: 4096,
      page_offset: 0xc75,
    });
  });

  test("4-level, pages of 2 MiB and 1 GiB", async () => {
    const memory = memoryOf(8, {
      1: { 0: 0x2001n },
      2: { 0: 0x3001n, 1: 0x4000_0081n },
      3: { 3: 0x40_00e1n },
    });
    const walk = (address: bigint) =>
      walkPageTables({ mode: "4-level", tableAddress: 0x1000n, address }, memory);
    expect(await walk(0x61_2345n)).toMatchObject({
      steps: [{ level: 4 }, { level: 3 }, { level: 2, index: 3 }],
      physical: "0x412345",
      page_bytes: 2 ** 21,
      page_offset: 0x345,
    });
    expect(await walk(0x4567_89abn)).toMatchObject({
      steps: [{ level: 4 }, { level: 3, index: 1 }],
      physical: "0x456789ab",
      pfn: 0x45678,
      page_bytes: 2 ** 30,
    });
  });

  test("5-level", async () => {
    const memory = memoryOf(8, {
      1: { 256: 0x2001n },
      2: { 0: 0x3001n },
      3: { 0: 0x4001n },
      4: { 0: 0x5001n },
      5: { 1: 0x6001n },
    });
    const address = 0xff00_0000_0000_1004n;
    const start = { mode: "5-level", tableAddress: 0x1000n, address } as const;
    expect(await walkPageTables(start, memory)).toMatchObject({
      steps: [{ level: 5, index: 256 }, { level: 4 }, { level: 3 }, { level: 2 }, { level: 1 }],
      physical: "0x6004",
    });
  });

  test("PAE: the top table has four entries, and starts anywhere in its page", async () => {
    const memory = memoryOf(8, {
      32: { 7: 0x2_1001n },
      33: { 1: 0x2_2063n, 2: 0x20_0000_00e3n },
      34: { 3: 0x1_2345_6063n },
    });
    const walk = (address: bigint) =>
      walkPageTables({ mode: "pae", tableAddress: 0x20020n, address }, memory);
    expect(await walk(0xc020_3abcn)).toMatchObject({
      steps: [{ level: 3, table_pfn: "0x20", index: 3 }, { index: 1 }, { index: 3 }],
      physical: "0x123456abc",
    });
    expect(await walk(0xc041_2345n)).toMatchObject({
      physical: "0x2000012345",
      page_bytes: 2 ** 21,
    });
  });

  test("32-bit, pages of 4 KiB and of 4 MiB beyond 4 GiB", async () => {
    const memory = memoryOf(4, {
      8: { 768: 0x9067n, 769: 0x0080_2083n },
      9: { 5: 0xabcd_e025n },
    });
    const walk = (address: bigint) =>
      walkPageTables({ mode: "32-bit", tableAddress: 0x8000n, address }, memory);
    expect(await walk(0xc000_5123n)).toMatchObject({
      steps: [
        { level: 2, index: 0x300 },
        { level: 1, index: 5, flags: ["present", "user", "accessed"] },
      ],
      physical: "0xabcde123",
    });
    expect(await walk(0xc040_5123n)).toMatchObject({
      steps: [{ level: 2, flags: ["present", "writable", "large"] }],
      physical: "0x100805123",
      page_bytes: 2 ** 22,
    });
  });

  test("what is not mapped, and a table the image has not", async () => {
    const memory = memoryOf(8, { 1: { 0: 0x2001n, 1: 0x9001n }, 2: { 0: 0xfffe_0n } });
    const walk = (address: bigint) =>
      walkPageTables({ mode: "4-level", tableAddress: 0x1000n, address }, memory);
    expect(await walk(0n)).toMatchObject({ outcome: "not present", steps: [{}, { level: 3 }] });
    expect(await walk(2n ** 39n)).toMatchObject({ outcome: "no table", steps: [{ level: 4 }] });
    const far = { mode: "4-level", tableAddress: 0xf_ffff_ffff_f000n, address: 0n } as const;
    expect(await walkPageTables(far, memory)).toMatchObject({ outcome: "no table", steps: [] });
  });

  test("without paging an address is its own", async () => {
    const start = { mode: "none", tableAddress: 0n, address: 0x12_3456n } as const;
    expect(await walkPageTables(start, async () => undefined)).toMatchObject({
      steps: [],
      physical: "0x123456",
      pfn: 0x123,
    });
  });

  test.each([
    ["4-level", 0x0000_8000_0000_0000n],
    ["4-level", 0xfffe_0000_0000_0000n],
    ["5-level", 0x0100_0000_0000_0000n],
    ["pae", 2n ** 32n],
    ["32-bit", 0xffff_ffff_c000_0000n],
  ] as const)("%s has no address %s", async (mode, address) => {
    const start = { mode, tableAddress: 0x1000n, address };
    await expect(walkPageTables(start, async () => undefined)).rejects.toMatchObject({
      code: "USAGE_ARGUMENT",
    });
  });
});

describe("what registers say", () => {
  test.each([
    ["none", 0x10n, 0n, 0n],
    ["32-bit", 0x8000_0011n, 0x10n, 0n],
    ["pae", 0x8000_0011n, 0x20n, 0n],
    ["4-level", 0x8000_0011n, 0x20n, 0x500n],
    ["5-level", 0x8000_0011n, 0x1020n, 0x500n],
  ] as const)("%s", (mode, cr0, cr4, efer) => {
    expect(pagingModeOf({ cr0, cr4, efer })).toBe(mode);
  });

  test("CR3 of HVM guests, with what is no address in it", () => {
    const paging = new VcpuPaging();
    paging.addHvm(0, { cr0: "0x80050033", cr3: "0x180a003", cr4: "0x5506b0", msr_efer: "0xd01" });
    paging.addHvm(1, { cr0: "0x10", cr3: "0x0", cr4: "0x0", msr_efer: "0x0" });
    expect([paging.cr3Of(0), paging.cr3Of(2)]).toEqual([0x180a003n, undefined]);
    expect([paging.modeOf(0x180a003n), paging.modeOf(0n), paging.modeOf(5n)]).toEqual([
      "4-level",
      "none",
      "4-level",
    ]);
    expect(paging.tableAddress(0x8000_0000_0180_a003n, "4-level")).toBe(0x180a000n);
    expect(paging.tableAddress(0x1_2345_6fffn, "pae")).toBe(0x2345_6fe0n);
    expect(paging.tableAddress(0x1_2345_6fffn, "32-bit")).toBe(0x2345_6000n);
  });

  test("CR3 of a 32-bit PV guest is rotated", () => {
    const paging = new VcpuPaging();
    paging.setPvLevels(3);
    paging.addPv({ vcpu: 0, ctrlreg: ["0x0", "0x0", "0x0", "0x23300f"] });
    expect(paging.modeOf(0x23300fn)).toBe("pae");
    expect(paging.tableAddress(0x23300fn, "pae")).toBe(0x00f0_0233_000n);
  });

  test("an image without vCPUs has no mode", () => {
    expect(new VcpuPaging().modeOf(0n)).toBeUndefined();
  });
});
