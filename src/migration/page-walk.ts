import { MigrationError } from "../base/errors.ts";
import { LITTLE_ENDIAN, PAGE_SHIFT, PFN_COUNT_MAX } from "../base/units.ts";
import { hexText } from "../codec/layout.ts";
import {
  ENTRY_ADDRESS_MASK,
  ENTRY_FLAGS,
  PAGING_FORMATS,
  type PagingFormat,
  type PagingLevel,
  type PagingMode,
  PSE36_MASK,
  PSE36_SHIFT,
} from "../format/paging.ts";

/** Reads a page of the guest; `undefined` where it has none. */
export type ReadPage = (pfn: number) => Promise<Uint8Array | undefined>;

/** Where to look. */
export interface WalkStart {
  readonly mode: PagingMode;
  /** Where the top table is, in octets of the guest's memory. */
  readonly tableAddress: bigint;
  readonly address: bigint;
}

/** One entry on the way. */
export interface WalkStep {
  readonly level: number;
  readonly table_pfn: string;
  readonly index: number;
  readonly entry: string;
  readonly flags: readonly string[];
}

/** Where a walk led. */
export interface Walk {
  readonly mode: PagingMode;
  readonly address: string;
  readonly steps: readonly WalkStep[];
  /** `mapped` to an address of the guest's memory, or why not. */
  readonly outcome: "mapped" | "not present" | "no table";
  readonly physical?: string;
  readonly pfn?: number;
  readonly page_bytes?: number;
  readonly page_offset?: number;
}

/**
 * Walks a guest's page tables from the top one.
 *
 * The tables of PV guests carry pfns in an image, as those of HVM guests always do.
 *
 * @throws MigrationError USAGE_ARGUMENT the address has bits that the mode does not allow;
 *   TRANSPORT_* of `readPage`
 * @source Intel SDM 3A, chapter 4 "Paging"
 */
export async function walkPageTables(start: WalkStart, readPage: ReadPage): Promise<Walk> {
  const { mode, address } = start;
  if (mode === "none") {
    return arrived(start, [], { base: 0n, pageBits: 32 });
  }
  const format = PAGING_FORMATS[mode];
  checkAddress(start, format);
  const steps: WalkStep[] = [];
  let tableAddress = start.tableAddress;
  for (const level of format.levels) {
    const found = await readEntry({ format, level, tableAddress, address }, readPage);
    if (found === undefined) {
      return { mode, address: hexText(address), steps, outcome: "no table" };
    }
    const { entry, index } = found;
    const table = hexText(tableAddress >> BigInt(PAGE_SHIFT));
    steps.push({
      level: level.level,
      table_pfn: table,
      index,
      entry: hexText(entry),
      flags: flagsOf(entry, level),
    });
    if ((entry & 1n) === 0n) {
      return { mode, address: hexText(address), steps, outcome: "not present" };
    }
    const isLarge = level.hasLargePages && ((entry >> ENTRY_FLAGS.large) & 1n) === 1n;
    if (isLarge || level.level === 1) {
      const base = entryPageBase(entry, level, format);
      return arrived(start, steps, { base, pageBits: level.shift });
    }
    tableAddress = entry & ENTRY_ADDRESS_MASK;
  }
  return { mode, address: hexText(address), steps, outcome: "not present" };
}

function checkAddress({ mode, address }: WalkStart, format: PagingFormat): void {
  const { addressBits, isCanonical } = format;
  const high = address >> BigInt(isCanonical ? addressBits - 1 : addressBits);
  const ones = (1n << BigInt(64 - addressBits + 1)) - 1n;
  if (high !== 0n && !(isCanonical && high === ones)) {
    const facts = { address: hexText(address), paging: mode, addressBits };
    throw new MigrationError("USAGE_ARGUMENT", facts);
  }
}

async function readEntry(
  at: {
    readonly format: PagingFormat;
    readonly level: PagingLevel;
    readonly tableAddress: bigint;
    readonly address: bigint;
  },
  readPage: ReadPage,
): Promise<{ readonly entry: bigint; readonly index: number } | undefined> {
  const { format, level, tableAddress, address } = at;
  const index = Number((address >> BigInt(level.shift)) & ((1n << BigInt(level.indexBits)) - 1n));
  const entryAddress = tableAddress + BigInt(index * format.entryBytes);
  const pfn = entryAddress >> BigInt(PAGE_SHIFT);
  const page = pfn < BigInt(PFN_COUNT_MAX) ? await readPage(Number(pfn)) : undefined;
  if (page === undefined) {
    return undefined;
  }
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  const offset = Number(entryAddress & 0xfffn);
  const entry =
    format.entryBytes === 8
      ? view.getBigUint64(offset, LITTLE_ENDIAN)
      : BigInt(view.getUint32(offset, LITTLE_ENDIAN));
  return { entry, index };
}

/** Where the page that an entry names starts. */
export function entryPageBase(
  entry: bigint,
  { shift, level }: PagingLevel,
  format: PagingFormat,
): bigint {
  const base = entry & ENTRY_ADDRESS_MASK & ~((1n << BigInt(shift)) - 1n);
  const isPse36 = format.entryBytes === 4 && level > 1;
  return isPse36 ? base | (((entry >> PSE36_SHIFT) & PSE36_MASK) << 32n) : base;
}

function arrived(
  { mode, address }: WalkStart,
  steps: readonly WalkStep[],
  { base, pageBits }: { readonly base: bigint; readonly pageBits: number },
): Walk {
  const physical = base | (address & ((1n << BigInt(pageBits)) - 1n));
  return {
    mode,
    address: hexText(address),
    steps,
    outcome: "mapped",
    physical: hexText(physical),
    pfn: Number(physical >> BigInt(PAGE_SHIFT)),
    page_bytes: 2 ** pageBits,
    page_offset: Number(physical & 0xfffn),
  };
}

/** The bit that makes a page large is another attribute where pages have no other size. */
function flagsOf(entry: bigint, { level }: PagingLevel): readonly string[] {
  const set = Object.entries(ENTRY_FLAGS).filter(([, bit]) => ((entry >> bit) & 1n) === 1n);
  return set.map(([name]) => (name === "large" && level === 1 ? "pat" : name));
}
