import { LITTLE_ENDIAN, PAGE_BYTES } from "../../base/units.ts";
import type { PageDataEvent } from "../../codec/events.ts";
import { viewOf } from "../../codec/steps.ts";
import { hasStreamData } from "../../format/page-type.ts";
import type { FinalMemory } from "../final-memory.ts";

/** "OSRE", which the page starts with, and all of it. */
const START_WORD = 0x4552_534f;
const CONTENT = /^OSRELEASE=[\x20-\x7e]+\n(?:[\x20-\x7e]+\n)*?PAGESIZE=\d+\n(?:[\x20-\x7e]+\n)*$/;

/** Pages looked at again. */
const CANDIDATES_MAX = 64;

/**
 * Finds what a Linux kernel keeps ready for the one that would dump it: a page of text of its own.
 *
 * @source Linux's kernel/vmcore_info.c (before 6.9 kernel/crash_core.c), crash_save_vmcoreinfo_init
 */
export class VmcoreinfoSearch {
  readonly #candidates = new Set<number>();

  /** Looks at the pages of a record. */
  take({ pfns, types, pages }: PageDataEvent): void {
    const view = viewOf(pages);
    let at = 0;
    for (let index = 0; index < types.length; index++) {
      if (!hasStreamData(types[index]!)) {
        continue;
      }
      const isLike = view.getUint32(at, LITTLE_ENDIAN) === START_WORD;
      if (isLike && this.#candidates.size < CANDIDATES_MAX) {
        this.#candidates.add(pfns[index]!);
      }
      at += PAGE_BYTES;
    }
  }

  /**
   * The text, the longest if there are several; `undefined` where there is none.
   *
   * @throws MigrationError TRANSPORT_LOST, STREAM_TRUNCATED
   */
  async find(memory: FinalMemory): Promise<Uint8Array | undefined> {
    let found: Uint8Array | undefined;
    for (const pfn of this.#candidates) {
      const page = await memory.page(pfn);
      const end = page?.indexOf(0) ?? -1;
      const text = page?.subarray(0, end === -1 ? PAGE_BYTES : end) ?? new Uint8Array(0);
      const isSound = CONTENT.test(Buffer.from(text).toString("latin1"));
      if (isSound && text.length > (found?.length ?? 0)) {
        found = text;
      }
    }
    return found;
  }
}
