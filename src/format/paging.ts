/** How a guest's addresses become frames. */
export type PagingMode = "none" | "32-bit" | "pae" | "4-level" | "5-level";

/** One level of page tables, the top one first. */
export interface PagingLevel {
  /** 1 is the level whose entries name pages of 4 KiB. */
  readonly level: number;
  /** Lowest bit of the address that the index comes from, and how many bits there are. */
  readonly shift: number;
  readonly indexBits: number;
  /** Whether an entry with PS set names a large page. */
  readonly hasLargePages: boolean;
}

/** Page tables of a mode. @source Intel SDM 3A, chapter 4 "Paging" */
export interface PagingFormat {
  readonly levels: readonly PagingLevel[];
  readonly entryBytes: 4 | 8;
  /** Addresses have so many bits that count. */
  readonly addressBits: number;
  /** Whether bits above those must all equal the highest of them. */
  readonly isCanonical: boolean;
}

/** Formats of all modes that have page tables. */
export const PAGING_FORMATS: Readonly<Record<Exclude<PagingMode, "none">, PagingFormat>> = {
  "32-bit": {
    levels: [
      { level: 2, shift: 22, indexBits: 10, hasLargePages: true },
      { level: 1, shift: 12, indexBits: 10, hasLargePages: false },
    ],
    entryBytes: 4,
    addressBits: 32,
    isCanonical: false,
  },
  pae: {
    levels: [
      { level: 3, shift: 30, indexBits: 2, hasLargePages: false },
      { level: 2, shift: 21, indexBits: 9, hasLargePages: true },
      { level: 1, shift: 12, indexBits: 9, hasLargePages: false },
    ],
    entryBytes: 8,
    addressBits: 32,
    isCanonical: false,
  },
  "4-level": { levels: longLevels(4), entryBytes: 8, addressBits: 48, isCanonical: true },
  "5-level": { levels: longLevels(5), entryBytes: 8, addressBits: 57, isCanonical: true },
};

/** Flags of an entry, by bit. */
export const ENTRY_FLAGS = {
  present: 0n,
  writable: 1n,
  user: 2n,
  write_through: 3n,
  cache_disabled: 4n,
  accessed: 5n,
  dirty: 6n,
  large: 7n,
  global: 8n,
  no_execute: 63n,
} as const;

/** Bits of an entry that name a frame's address. */
export const ENTRY_ADDRESS_MASK = 0x000f_ffff_ffff_f000n;

/** Bits 39 to 32 of a 4 MiB page's address stand at bit 13 of its entry. */
export const PSE36_SHIFT = 13n;
export const PSE36_MASK = 0xffn;

/** Bits of control registers that choose the mode. */
const CR0_PG = 1n << 31n;
const CR4_PAE = 1n << 5n;
const CR4_LA57 = 1n << 12n;
const EFER_LMA = 1n << 10n;

/** The mode of a CPU with these registers. */
export function pagingModeOf(registers: {
  readonly cr0: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
}): PagingMode {
  const { cr0, cr4, efer } = registers;
  if ((cr0 & CR0_PG) === 0n) {
    return "none";
  }
  if ((efer & EFER_LMA) !== 0n) {
    return (cr4 & CR4_LA57) === 0n ? "4-level" : "5-level";
  }
  return (cr4 & CR4_PAE) === 0n ? "32-bit" : "pae";
}

function longLevels(levelCount: number): readonly PagingLevel[] {
  return Array.from({ length: levelCount }, (_, index) => {
    const level = levelCount - index;
    const hasLargePages = level === 2 || level === 3;
    return { level, shift: 12 + 9 * (level - 1), indexBits: 9, hasLargePages };
  });
}
