import { PAGE_BYTES } from "../base/units.ts";
import { LEGACY_DELTA_PAGES_MAX } from "../format/legacy.ts";
import { PAGE_TYPE } from "../format/page-type.ts";

/** First octets of a page that did not change, and of one that stands there whole. */
const SAME_PAGE = 0x00;
const WHOLE_PAGE = 0x80;

/** In the first octet of a run: whether it is passed over, and how many words it has. */
const SKIP_MASK = 0x80;
const WORDS_MASK = 0x7f;
const WORD_BYTES = 4;

/**
 * Unpacks the pages of Remus' compressed checkpoints: each is whole, or what differs from the same
 * page as it was sent before.
 *
 * Keeps what the sender kept to compare with, so at most {@link LEGACY_DELTA_PAGES_MAX} pages:
 * those of page tables always come whole and are kept by neither.
 *
 * @source xc_compression.c
 */
export class DeltaPages {
  /** Least recently sent first. */
  readonly #kept = new Map<number, Uint8Array>();

  /**
   * Unpacks one page into `out`, of 4096 octets.
   *
   * @param at where the page starts in `packed`.
   * @returns where the next one does; `undefined` for damaged data, or a difference from a page
   *   that was never sent.
   */
  unpack(
    page: { readonly pfn: number; readonly pageType: number },
    packed: Uint8Array,
    at: number,
    out: Uint8Array,
  ): number | undefined {
    const next =
      packed[at] === WHOLE_PAGE
        ? unpackWhole(packed, at, out)
        : this.#unpackDifference(page.pfn, packed, at, out);
    if (next !== undefined) {
      this.#keep(page, out);
    }
    return next;
  }

  #unpackDifference(
    pfn: number,
    packed: Uint8Array,
    at: number,
    out: Uint8Array,
  ): number | undefined {
    const before = this.#kept.get(pfn);
    if (before === undefined || at >= packed.length) {
      return undefined;
    }
    out.set(before);
    return packed[at] === SAME_PAGE ? at + 1 : unpackRuns(packed, at, out);
  }

  #keep({ pfn, pageType }: { readonly pfn: number; readonly pageType: number }, page: Uint8Array) {
    const memory = this.#kept.get(pfn);
    this.#kept.delete(pfn);
    if (pageType !== PAGE_TYPE.NOTAB) {
      return;
    }
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= LEGACY_DELTA_PAGES_MAX && oldest !== undefined) {
      this.#kept.delete(oldest);
    }
    const kept = memory ?? new Uint8Array(PAGE_BYTES);
    kept.set(page);
    this.#kept.set(pfn, kept);
  }
}

function unpackWhole(packed: Uint8Array, at: number, out: Uint8Array): number | undefined {
  const end = at + 1 + PAGE_BYTES;
  if (end > packed.length) {
    return undefined;
  }
  out.set(packed.subarray(at + 1, end));
  return end;
}

/** Runs that together make one page. */
function unpackRuns(packed: Uint8Array, start: number, out: Uint8Array): number | undefined {
  let at = start;
  let filled = 0;
  while (filled < PAGE_BYTES) {
    const mark = packed[at];
    const runBytes = ((mark ?? 0) & WORDS_MASK) * WORD_BYTES;
    if (mark === undefined || runBytes === 0 || filled + runBytes > PAGE_BYTES) {
      return undefined;
    }
    at++;
    if ((mark & SKIP_MASK) === 0) {
      const run = packed.subarray(at, at + runBytes);
      if (run.length < runBytes) {
        return undefined;
      }
      out.set(run, filled);
      at += runBytes;
    }
    filled += runBytes;
  }
  return at;
}
