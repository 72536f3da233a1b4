import { createHash } from "node:crypto";
import { PAGE_BYTES } from "../base/units.ts";
import type { PageDataEvent } from "../codec/events.ts";
import type { PageEngine } from "../engine/types.ts";
import { hasStreamData, isPageTable } from "../format/page-type.ts";
import type { Tell } from "./verify-clauses.ts";
import type { IncomingGuest } from "./verify-guest.ts";
import { findBadEntry } from "./verify-pv.ts";

/** Octets of a frame's number and of its checksum, as they are digested. */
const DIGESTED_BYTES = 12;

/** Frames digested in one go. */
const DIGESTED_FRAMES = 4096;

/** Looks at every page: the memory that restoring ends with, and pages sent again to compare. */
export class MemoryChecksums {
  readonly #guest: IncomingGuest;
  readonly #engine: PageEngine;
  #indexes = new Uint32Array(0);
  #crcs = new Uint32Array(0);
  #differingCount = 0;

  constructor(guest: IncomingGuest, engine: PageEngine) {
    this.#guest = guest;
    this.#engine = engine;
  }

  /** Pages behind VERIFY that were not what had been sent. */
  get differingCount(): number {
    return this.#differingCount;
  }

  /** Takes the pages of a record. */
  takePages({ pfns, types, pages, pagesOffset, offset }: PageDataEvent, tell: Tell): void {
    const pageCount = pages.length / PAGE_BYTES;
    this.#reserve(pageCount);
    const crcs = this.#crcs.subarray(0, pageCount);
    this.#engine.checksumPages(pages, this.#indexes.subarray(0, pageCount), crcs);
    const dataPfns = pfns.filter((_, index) => hasStreamData(types[index]!));
    const { isVerifying: isCompared } = this.#guest;
    this.takeCrcs(dataPfns, crcs, { offset, pagesOffset, isCompared, tell });
    if (this.#guest.isPv && types.some(isPageTable)) {
      const dataTypes = types.filter(hasStreamData);
      dataPfns.forEach((pfn, index) => {
        if (isPageTable(dataTypes[index]!)) {
          const at = index * PAGE_BYTES;
          this.checkTable(pages.subarray(at, at + PAGE_BYTES), { pfn, offset, tell });
        }
      });
    }
  }

  /** Takes checksums of pages that came, one for each of `pfns`. */
  takeCrcs(
    pfns: Uint32Array,
    crcs: Uint32Array,
    record: {
      readonly offset: number;
      readonly pagesOffset: number;
      readonly isCompared: boolean;
      readonly tell: Tell;
    },
  ): void {
    const { frames } = this.#guest;
    if (record.isCompared) {
      this.#compare(pfns, crcs, record);
      return;
    }
    for (let index = 0; index < pfns.length; index++) {
      frames.setCrc(pfns[index]!, crcs[index]!, record.pagesOffset + index * PAGE_BYTES);
    }
  }

  /** Checks a page table of a PV guest. */
  checkTable(
    table: Uint8Array,
    { pfn, offset, tell }: { readonly pfn: number; readonly offset: number; readonly tell: Tell },
  ): void {
    const { pfnMax } = this.#guest;
    const entry = pfnMax === undefined ? -1 : findBadEntry(table, pfnMax);
    if (entry !== -1) {
      const facts = { offset, layer: "libxc", record: "PAGE_DATA", pfn, entry, pfnMax };
      tell("RECORD_FRAME", "refused", { ...facts, names: "page table" });
    }
  }

  /**
   * SHA-256 over every frame that has memory, rising: its number as 64 bits and the CRC32C of its
   * page as 32 bits, both little-endian. A frame that was only allocated holds zeros.
   */
  digest(): string {
    const hash = createHash("sha256");
    const bytes = new Uint8Array(DIGESTED_FRAMES * DIGESTED_BYTES);
    const view = new DataView(bytes.buffer);
    let filled = 0;
    this.#guest.frames.eachCrc((pfn, crc) => {
      view.setUint32(filled, pfn, true);
      view.setUint32(filled + 8, crc, true);
      filled += DIGESTED_BYTES;
      if (filled === bytes.length) {
        hash.update(bytes);
        filled = 0;
      }
    });
    return hash.update(bytes.subarray(0, filled)).digest("hex");
  }

  #compare(
    pfns: Uint32Array,
    crcs: Uint32Array,
    { offset, tell }: { readonly offset: number; readonly tell: Tell },
  ): void {
    for (let index = 0; index < pfns.length; index++) {
      const pfn = pfns[index]!;
      if (this.#guest.frames.crcOf(pfn) !== crcs[index]) {
        this.#differingCount++;
        tell("PAGE_DATA_VERIFY", "suspicious", {
          offset,
          layer: "libxc",
          record: "PAGE_DATA",
          pfn,
        });
      }
    }
  }

  #reserve(pageCount: number): void {
    if (this.#crcs.length < pageCount) {
      this.#crcs = new Uint32Array(pageCount);
      this.#indexes = Uint32Array.from({ length: pageCount }, (_, index) => index);
    }
  }
}
