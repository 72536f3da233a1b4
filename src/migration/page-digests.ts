import { getRandomValues } from "node:crypto";
import { DIGEST_BYTES, DIGEST_KEY_BYTES, type PageEngine } from "../engine/types.ts";

/** Makes the secret key that digests of one transfer are made with. */
export function randomDigestKey(): Uint8Array {
  return getRandomValues(new Uint8Array(DIGEST_KEY_BYTES));
}

/** The digest of each page as it was last sent: 33 octets a page. Twin: native/pump/digests.h. */
export class PageDigests {
  readonly #engine: PageEngine;
  readonly #key = randomDigestKey();
  readonly #digests: Uint8Array;
  readonly #isKnown: Uint8Array;
  #fresh = new Uint8Array(0);

  constructor(engine: PageEngine, pfnCount: number) {
    this.#engine = engine;
    this.#digests = new Uint8Array(pfnCount * DIGEST_BYTES);
    this.#isKnown = new Uint8Array(pfnCount);
  }

  /**
   * Says which of `pfns` were last sent as they are in `pages` (page i is `pfns[i]`), and takes the
   * others down as sent.
   */
  findUnchanged(pfns: Uint32Array, pages: Uint8Array): readonly boolean[] {
    if (this.#fresh.length < pfns.length * DIGEST_BYTES) {
      this.#fresh = new Uint8Array(pfns.length * DIGEST_BYTES);
    }
    this.#engine.digestPages(pages, Uint32Array.from(pfns.keys()), this.#key, this.#fresh);
    return Array.from(pfns, (pfn, index) => {
      const at = index * DIGEST_BYTES;
      const fresh = this.#fresh.subarray(at, at + DIGEST_BYTES);
      const last = this.#digests.subarray(pfn * DIGEST_BYTES, (pfn + 1) * DIGEST_BYTES);
      const isUnchanged = this.#isKnown[pfn] === 1 && Buffer.compare(fresh, last) === 0;
      last.set(fresh);
      this.#isKnown[pfn] = 1;
      return isUnchanged;
    });
  }
}
