import { LITTLE_ENDIAN, PAGE_BYTES } from "../base/units.ts";
import type { Reading } from "../codec/steps.ts";
import { LEGACY_BARE_XTAB, LEGACY_BATCH_PAGES_MAX } from "../format/legacy.ts";
import { hasStreamData, isKnownPageType, PAGE_TYPE } from "../format/page-type.ts";
import type { LegacyInput } from "./input.ts";

/** Where a word's page type starts, and what is left of it for the frame number. */
const TYPE_SHIFT = 28;
const PFN_MASK = 0x0fff_ffff;

/** The entries of one batch; valid until the next is read. */
export interface BatchColumns {
  readonly pfns: Uint32Array;
  readonly types: Uint8Array;
  /** Octets of pages that the entries have. */
  readonly pageBytes: number;
}

/** Reads the words of batches into columns that it reuses. */
export class BatchReader {
  readonly #input: LegacyInput;
  readonly #pfnCount: number;
  readonly #pfns = new Uint32Array(LEGACY_BATCH_PAGES_MAX);
  readonly #types = new Uint8Array(LEGACY_BATCH_PAGES_MAX);

  constructor(input: LegacyInput, pfnCount: number) {
    this.#input = input;
    this.#pfnCount = pfnCount;
  }

  /**
   * Reads a batch's words. Frames that have no page and no number are left out, and so are those
   * with a number that the guest does not have, or which is another entry's: savers up to 4.0 left
   * machine frames there.
   *
   * @param wordCount 1 to {@link LEGACY_BATCH_PAGES_MAX}, as the caller has checked.
   * @throws MigrationError LEGACY_PFN, LEGACY_PAGE_TYPE, with the word's index
   * @source xc_domain_save.c, the loop over a batch; xc_domain_restore.c apply_batch
   */
  *read(wordCount: number): Reading<BatchColumns> {
    const { wordBytes } = this.#input;
    const view = yield* this.#input.view(wordCount * wordBytes);
    const seen = new FramesSeen();
    let kept = 0;
    let dataPages = 0;
    for (let index = 0; index < wordCount; index++) {
      const word = view.getUint32(index * wordBytes, LITTLE_ENDIAN);
      if (wordBytes === 8 && view.getUint32(index * wordBytes + 4, LITTLE_ENDIAN) !== 0) {
        throw this.#input.error("LEGACY_PFN", { index, problem: "bits 32 to 63 are not zero" });
      }
      const pfn = word & PFN_MASK;
      const pageType = word >>> TYPE_SHIFT;
      const isNothing = pageType === PAGE_TYPE.XTAB;
      if (isNothing && (word === LEGACY_BARE_XTAB || pfn >= this.#pfnCount)) {
        continue;
      }
      if (!isNothing) {
        this.#checkEntry(index, pfn, pageType);
      }
      if (!seen.add(pfn, this.#pfns, kept)) {
        if (isNothing) {
          continue;
        }
        throw this.#input.error("LEGACY_PFN", { index, pfn, problem: "it comes twice" });
      }
      this.#pfns[kept] = pfn;
      this.#types[kept] = pageType;
      kept++;
      dataPages += hasStreamData(pageType) ? 1 : 0;
    }
    return {
      pfns: this.#pfns.subarray(0, kept),
      types: this.#types.subarray(0, kept),
      pageBytes: dataPages * PAGE_BYTES,
    };
  }

  #checkEntry(index: number, pfn: number, pageType: number): void {
    if (!isKnownPageType(pageType)) {
      throw this.#input.error("LEGACY_PAGE_TYPE", { index, pfn, pageType });
    }
    if (pfn >= this.#pfnCount) {
      throw this.#input.error("LEGACY_PFN", { index, pfn, pfnCount: this.#pfnCount });
    }
  }
}

/** Tells repeated frames; savers name them in rising order, so mostly there is nothing to do. */
class FramesSeen {
  #last = -1;
  #all: Set<number> | undefined;

  /** Whether `pfn` is not among the first `count` of `pfns`, which are all that were added. */
  add(pfn: number, pfns: Uint32Array, count: number): boolean {
    if (this.#all === undefined && pfn > this.#last) {
      this.#last = pfn;
      return true;
    }
    this.#all ??= new Set(pfns.subarray(0, count));
    const isNew = !this.#all.has(pfn);
    this.#all.add(pfn);
    return isNew;
  }
}
