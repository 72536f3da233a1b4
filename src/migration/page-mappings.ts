import { MigrationError } from "../base/errors.ts";
import { LITTLE_ENDIAN, PAGE_SHIFT, PFN_COUNT_MAX } from "../base/units.ts";
import { viewOf } from "../codec/steps.ts";
import {
  ENTRY_ADDRESS_MASK,
  ENTRY_FLAGS,
  PAGING_FORMATS,
  type PagingFormat,
  type PagingMode,
} from "../format/paging.ts";
import type { FinalMemory } from "./final-memory.ts";
import { entryPageBase } from "./page-walk.ts";

/** Tables that are read: with 4 KiB pages they map 2 TiB. Tables that name themselves end here. */
const TABLES_MAX = 2 ** 20;

/** Runs of pages that are told apart, at 24 octets each. */
const RUNS_MAX = 2 ** 20;

const COLUMNS = 3;

/** Pages that follow each other in an address space as in the guest's memory. */
export interface MappedRun {
  readonly address: bigint;
  readonly pfn: number;
  readonly frameCount: number;
}

/** Which address space to look at. */
export interface AddressSpace {
  readonly mode: Exclude<PagingMode, "none">;
  /** Where the top table is, in octets of the guest's memory. */
  readonly tableAddress: bigint;
}

/** What of an address space has memory: runs by rising address. */
export class PageMappings {
  #values = new Float64Array(COLUMNS * 1024);
  #count = 0;

  /** The number of {@link runs}. */
  get runCount(): number {
    return this.#count;
  }

  /** By rising address, as long as can be. */
  *runs(): Generator<MappedRun, undefined, undefined> {
    for (let run = 0; run < this.#count; run++) {
      const [page, pfn, frameCount] = this.#values.subarray(run * COLUMNS, (run + 1) * COLUMNS);
      const address = BigInt(page!) << BigInt(PAGE_SHIFT);
      yield { address, pfn: pfn!, frameCount: frameCount! };
    }
  }

  /** Frames that are mapped, each as often as it is. */
  get frameCount(): number {
    return [...this.runs()].reduce((sum, { frameCount }) => sum + frameCount, 0);
  }

  /**
   * Takes pages down. @param page the address without its lowest 12 bits, not below the last one's.
   *
   * @throws MigrationError GUEST_PAGE_TABLES too many runs
   */
  add(page: number, pfn: number, frameCount: number): void {
    const at = (this.#count - 1) * COLUMNS;
    const values = this.#values;
    const length = at < 0 ? 0 : values[at + 2]!;
    if (length > 0 && page === values[at]! + length && pfn === values[at + 1]! + length) {
      values[at + 2] = length + frameCount;
      return;
    }
    if (this.#count === RUNS_MAX) {
      throw new MigrationError("GUEST_PAGE_TABLES", { runsMax: RUNS_MAX });
    }
    if (values.length === this.#count * COLUMNS) {
      this.#values = new Float64Array(values.length * 2);
      this.#values.set(values);
    }
    this.#values.set([page, pfn, frameCount], this.#count * COLUMNS);
    this.#count++;
  }
}

/**
 * Finds all that a guest's page tables map to frames with memory.
 *
 * @throws MigrationError GUEST_PAGE_TABLES there is no table, or more than can be followed;
 *   TRANSPORT_*, STREAM_TRUNCATED; the signal's reason.
 * @source Intel SDM 3A, chapter 4 "Paging"
 */
export async function findMappings(
  memory: FinalMemory,
  space: AddressSpace,
  signal?: AbortSignal,
): Promise<PageMappings> {
  const walk = new MappingWalk(memory, PAGING_FORMATS[space.mode], signal);
  if (!(await walk.table(space.tableAddress, { levelIndex: 0, address: 0n }))) {
    const pfn = Number(space.tableAddress >> BigInt(PAGE_SHIFT));
    throw new MigrationError("GUEST_PAGE_TABLES", { pfn, problem: "there is no memory" });
  }
  return walk.mappings;
}

class MappingWalk {
  readonly mappings = new PageMappings();
  readonly #memory: FinalMemory;
  readonly #format: PagingFormat;
  readonly #signal: AbortSignal | undefined;
  #tableCount = 0;

  constructor(memory: FinalMemory, format: PagingFormat, signal: AbortSignal | undefined) {
    this.#memory = memory;
    this.#format = format;
    this.#signal = signal;
  }

  /** Follows the entries of a table; false if there is no such frame. */
  async table(
    tableAddress: bigint,
    { levelIndex, address }: { readonly levelIndex: number; readonly address: bigint },
  ): Promise<boolean> {
    this.#signal?.throwIfAborted();
    const level = this.#format.levels[levelIndex]!;
    const page = await this.#read(tableAddress);
    if (page === undefined) {
      return false;
    }
    const start = Number(tableAddress & 0xfffn);
    for (let index = 0; index < 2 ** level.indexBits; index++) {
      const entry = this.#entry(page, start, index);
      if ((entry & 1n) === 0n) {
        continue;
      }
      const entryAddress = this.#canonical(address | (BigInt(index) << BigInt(level.shift)));
      const isLarge = level.hasLargePages && ((entry >> ENTRY_FLAGS.large) & 1n) === 1n;
      if (isLarge || level.level === 1) {
        const base = entryPageBase(entry, level, this.#format);
        this.#map(entryAddress, base, 2 ** (level.shift - PAGE_SHIFT));
      } else {
        const below = { levelIndex: levelIndex + 1, address: entryAddress };
        await this.table(entry & ENTRY_ADDRESS_MASK, below);
      }
    }
    return true;
  }

  async #read(tableAddress: bigint): Promise<Uint8Array | undefined> {
    this.#tableCount++;
    if (this.#tableCount > TABLES_MAX) {
      throw new MigrationError("GUEST_PAGE_TABLES", { tablesMax: TABLES_MAX });
    }
    const pfn = tableAddress >> BigInt(PAGE_SHIFT);
    return pfn < BigInt(PFN_COUNT_MAX) ? await this.#memory.page(Number(pfn)) : undefined;
  }

  #entry(page: Uint8Array, start: number, index: number): bigint {
    const at = start + index * this.#format.entryBytes;
    return this.#format.entryBytes === 8
      ? viewOf(page).getBigUint64(at, LITTLE_ENDIAN)
      : BigInt(viewOf(page).getUint32(at, LITTLE_ENDIAN));
  }

  /** The highest bit that counts is that of all above it. */
  #canonical(address: bigint): bigint {
    const { isCanonical, addressBits } = this.#format;
    return isCanonical ? BigInt.asUintN(64, BigInt.asIntN(addressBits, address)) : address;
  }

  /** Takes those frames of a page down that have memory. */
  #map(address: bigint, base: bigint, frameCount: number): void {
    const first = base >> BigInt(PAGE_SHIFT);
    if (first >= BigInt(PFN_COUNT_MAX)) {
      return;
    }
    const page = Number(address >> BigInt(PAGE_SHIFT));
    const { pfns } = this.#memory;
    const end = Number(first) + frameCount;
    for (let index = this.#memory.indexFrom(Number(first)); index < pfns.length; index++) {
      const pfn = pfns[index]!;
      if (pfn >= end) {
        return;
      }
      this.mappings.add(page + pfn - Number(first), pfn, 1);
    }
  }
}
