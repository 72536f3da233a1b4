import { PAGE_BYTES } from "../base/units.ts";
import { LEGACY_BATCH_PAGES_MAX } from "../format/legacy.ts";
import type { LegacyPagesEvent, LegacyTscEvent } from "./events.ts";

/** Keeps pages outside of this program's memory. */
export interface PageKeeper {
  /** Keeps a page of 4096 octets and returns its place; places of pages in turn rise by 4096. */
  put(page: Uint8Array): Promise<number>;
  /** Fills `out` with what was put from `place` on. */
  readAt(place: number, out: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

type PagesOrTsc = LegacyPagesEvent | LegacyTscEvent;

/** A batch whose pages are kept elsewhere. */
interface KeptBatch extends Omit<LegacyPagesEvent, "pages"> {
  readonly place: number;
  readonly pageBytes: number;
}

/**
 * The pages of one checkpoint, until it is complete: frame numbers in memory, contents with a
 * keeper.
 */
export class CheckpointPages {
  readonly #keeper: PageKeeper;
  readonly #kept: (KeptBatch | LegacyTscEvent)[] = [];

  constructor(keeper: PageKeeper) {
    this.#keeper = keeper;
  }

  async add(event: PagesOrTsc): Promise<void> {
    if (event.kind === "tsc") {
      this.#kept.push(event);
      return;
    }
    const { pages, pfns, types, ...rest } = event;
    let place = 0;
    for (let at = 0; at < pages.length; at += PAGE_BYTES) {
      const put = await this.#keeper.put(pages.subarray(at, at + PAGE_BYTES));
      place = at === 0 ? put : place;
    }
    const columns = { pfns: pfns.slice(), types: types.slice() };
    this.#kept.push({ ...rest, ...columns, place, pageBytes: pages.length });
  }

  /** All that was added, in order. What an event refers to is valid until the next. */
  async *all(): AsyncGenerator<PagesOrTsc, void, undefined> {
    const memory = new Uint8Array(LEGACY_BATCH_PAGES_MAX * PAGE_BYTES);
    for (const kept of this.#kept) {
      if (kept.kind === "tsc") {
        yield kept;
        continue;
      }
      const { place, pageBytes, ...rest } = kept;
      const pages = memory.subarray(0, pageBytes);
      await this.#keeper.readAt(place, pages);
      yield { ...rest, pages };
    }
  }

  async close(): Promise<void> {
    await this.#keeper.close();
  }
}
