import type { ErrorFacts } from "../base/errors.ts";
import { PAGE_BYTES } from "../base/units.ts";
import { viewOf } from "../codec/steps.ts";
import { PAGE_TYPE } from "../format/page-type.ts";
import type { Tell } from "./verify-clauses.ts";
import type { IncomingGuest } from "./verify-guest.ts";
import { frameOfCr3, type PvVcpu } from "./verify-pv-vcpu.ts";

/** Entries of a GDT that are the guest's. @source arch-x86/xen.h FIRST_RESERVED_GDT_ENTRY */
const GDT_ENTRIES_MAX = 7168n;
const GDT_ENTRIES_PER_FRAME = 512n;

/** Set in CR1 of a 64-bit guest that has page tables of its own for user space. */
const CR1_VALID_MASK = 1n;

/** The bits of a page type that say which level of page table it is; the other is "pinned". */
const TABLE_LEVEL_MASK = 0x7;

/** Where fields of the start info are, by guest width. @source xen/include/public/xen.h */
const START_INFO = {
  4: { pages: 32, store: 44, console: 52 },
  8: { pages: 32, store: 56, console: 72 },
} as const;

/** What a start info begins with, whatever its width. @source xen/include/public/xen.h */
const START_INFO_MAGIC = Buffer.from("xen-");

/**
 * Checks the frames that a PV guest's registers and table of frames name, once all memory has come.
 *
 * @source xg_sr_restore_x86_pv.c process_start_info, process_vcpu_basic, update_guest_p2m
 */
export function checkPvFrames(guest: IncomingGuest, tell: Tell): void {
  const { guestWidth: width } = guest;
  if (width === undefined || guest.p2m.pfnMax === undefined) {
    return;
  }
  if (guest.hasVcpuBasic && !guest.vcpus.has(0)) {
    tell("ORDER_MISSING", "refused", { other: "X86_PV_VCPU_BASIC", vcpuId: 0 });
    return;
  }
  for (const [vcpuId, vcpu] of [...guest.vcpus].sort(([one], [other]) => one - other)) {
    checkVcpu(guest, { vcpuId, vcpu, width }, tell);
  }
  const place = { offset: guest.p2m.offset, layer: "libxc", record: "X86_PV_P2M_FRAMES" };
  let index = 0;
  for (const pfn of guest.p2m.frames(PAGE_BYTES / width)) {
    const problem = problemOf(guest, pfn, PAGE_TYPE.NOTAB);
    if (problem !== undefined) {
      tell("RECORD_FRAME", "refused", { ...place, names: "p2m", index, pfn, problem });
      return;
    }
    index++;
  }
}

/** The frame of the start info, where it is one that restore takes. */
export function startInfoFrame(guest: IncomingGuest): number | undefined {
  const pfn = guest.vcpus.get(0)?.startInfo;
  return pfn !== undefined && problemOf(guest, pfn, PAGE_TYPE.NOTAB) === undefined
    ? Number(pfn)
    : undefined;
}

/**
 * Checks the frames that the start info names. A page that does not begin as one, or gives the
 * guest more pages than it has, is not believed and only suspicious, though restore goes by it:
 * such are images of guests that were made up.
 *
 * @param page its content.
 */
export function checkStartInfo(guest: IncomingGuest, page: Uint8Array, tell: Tell): void {
  const { guestWidth: width } = guest;
  if (width === undefined) {
    return;
  }
  const place = { layer: "libxc", record: "PAGE_DATA", startInfo: startInfoFrame(guest) };
  const view = viewOf(page);
  const number = (at: number) =>
    width === 8 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
  const hasMagic = START_INFO_MAGIC.equals(page.subarray(0, START_INFO_MAGIC.length));
  if (!hasMagic || number(START_INFO[width].pages) > BigInt(guest.p2m.pfnMax ?? 0) + 1n) {
    tell("RECORD_VALUE", "suspicious", { ...place, problem: "the start info is none" });
    return;
  }
  for (const names of ["store", "console"] as const) {
    const pfn = number(START_INFO[width][names]);
    const problem = problemOf(guest, pfn, undefined);
    if (problem !== undefined) {
      tell("RECORD_FRAME", "refused", { ...place, names, pfn, problem });
    }
  }
}

/**
 * Finds an entry of a page table that names a frame beyond the guest's.
 *
 * @returns its index; -1 if there is none.
 * @source xg_sr_restore_x86_pv.c x86_pv_localise_page
 */
export function findBadEntry(table: Uint8Array, pfnMax: number): number {
  const words = new Uint32Array(table.slice().buffer);
  for (let at = 0; at < words.length; at += 2) {
    const low = words[at]!;
    const frame = (words[at + 1]! & 0x000f_ffff) * 2 ** 20 + (low >>> 12);
    if ((low & 1) === 1 && frame > pfnMax) {
      return at / 2;
    }
  }
  return -1;
}

interface NumberedVcpu {
  readonly vcpuId: number;
  readonly vcpu: PvVcpu;
  readonly width: 4 | 8;
}

function checkVcpu(guest: IncomingGuest, { vcpuId, vcpu, width }: NumberedVcpu, tell: Tell): void {
  const place = { offset: vcpu.offset, layer: "libxc", record: "X86_PV_VCPU_BASIC", vcpuId };
  const check = (names: string, pfn: bigint, expected: number, facts: ErrorFacts = {}) => {
    const problem = problemOf(guest, pfn, expected);
    if (problem !== undefined) {
      tell("RECORD_FRAME", "refused", { ...place, names, pfn, problem, ...facts });
    }
  };
  if (vcpuId === 0) {
    check("start info", vcpu.startInfo, PAGE_TYPE.NOTAB);
  }
  if (vcpu.gdtEntries > GDT_ENTRIES_MAX) {
    tell("RECORD_VALUE", "refused", { ...place, gdtEntries: vcpu.gdtEntries });
  } else {
    const frameCount = (vcpu.gdtEntries + GDT_ENTRIES_PER_FRAME - 1n) / GDT_ENTRIES_PER_FRAME;
    vcpu.gdtFrames.slice(0, Number(frameCount)).forEach((pfn, index) => {
      check("gdt", pfn, PAGE_TYPE.NOTAB, { index });
    });
  }
  const topLevel = width === 8 ? PAGE_TYPE.L4TAB : PAGE_TYPE.L3TAB;
  check("cr3", frameOfCr3(vcpu, width), topLevel);
  if (width === 8 && (vcpu.cr1 & CR1_VALID_MASK) !== 0n) {
    check("cr1", vcpu.cr1 >> 12n, topLevel);
  }
}

/** What is wrong with a frame that should be there and be of a type; `undefined` if nothing is. */
function problemOf(
  { p2m, frames }: IncomingGuest,
  pfn: bigint | undefined,
  expected: number | undefined,
): string | undefined {
  if (pfn === undefined) {
    return "it is missing";
  }
  if (p2m.pfnMax === undefined || pfn > BigInt(p2m.pfnMax)) {
    return "it is out of range";
  }
  const { pageType, isPopulated } = frames.get(Number(pfn));
  const isTable = expected !== undefined && expected !== PAGE_TYPE.NOTAB;
  const actual = isTable ? pageType & TABLE_LEVEL_MASK : pageType;
  if (expected !== undefined && actual !== expected && !frames.isScattered) {
    return `its page type is ${pageType}`;
  }
  return isPopulated || frames.isScattered ? undefined : "it has no memory";
}
