import { PAGE_BYTES } from "../base/units.ts";
import type { PageDataEvent } from "../codec/events.ts";
import { hasStreamData } from "../format/page-type.ts";

/** What a start info begins with. @source tools/libs/guest/xg_dom_x86.c start_info_x86_64 */
const MAGIC = "xen-3.0-x86";
const MAGIC_START = MAGIC.charCodeAt(0);

/** Pages kept; a guest has one, and maybe copies of it. */
const PAGES_MAX = 16;

/**
 * Pages that look like a PV guest's start info.
 *
 * Which frame it is in is known only once the registers have come, behind all memory, and a pipe
 * cannot be read again.
 */
export class StartInfoPages {
  readonly #pages = new Map<number, Uint8Array>();

  /** Takes the pages of a record. */
  take({ pfns, types, pages }: PageDataEvent): void {
    let at = 0;
    for (let index = 0; index < pfns.length; index++) {
      if (hasStreamData(types[index]!)) {
        if (pages[at] === MAGIC_START) {
          this.#consider(pfns[index]!, pages.subarray(at, at + PAGE_BYTES));
        }
        at += PAGE_BYTES;
      }
    }
  }

  /** The page that `pfn` had last, if it looked like one. */
  pageOf(pfn: number): Uint8Array | undefined {
    return this.#pages.get(pfn);
  }

  #consider(pfn: number, page: Uint8Array): void {
    const isMagic = Buffer.from(page.subarray(0, MAGIC.length)).toString("latin1") === MAGIC;
    if (isMagic && (this.#pages.has(pfn) || this.#pages.size < PAGES_MAX)) {
      this.#pages.set(pfn, page.slice());
    }
  }
}
