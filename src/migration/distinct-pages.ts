import { PAGE_BYTES } from "../base/units.ts";
import { DIGEST_BYTES, type PageOperations } from "../engine/types.ts";
import { randomDigestKey } from "./page-digests.ts";

/** First number of slots; a power of two. */
const SLOTS_MIN = 4096;

/** Words of 32 bits of a digest that are kept: pages differ by mistake with a chance of 2^-64. */
const WORDS = 4;

/**
 * Counts how many different pages there are, by digests under a secret key.
 *
 * A hash table of 16 octets a slot, at most three quarters full.
 */
export class DistinctPages {
  readonly #engine: Pick<PageOperations, "digestPages">;
  readonly #key = randomDigestKey();
  #slots = new Uint32Array(SLOTS_MIN * WORDS);
  #isUsed = new Uint8Array(SLOTS_MIN);
  #count = 0;

  constructor(engine: Pick<PageOperations, "digestPages">) {
    this.#engine = engine;
  }

  /** Different pages so far. */
  get count(): number {
    return this.#count;
  }

  /** Takes whole pages, one behind the other. */
  take(pages: Uint8Array): void {
    const pageCount = pages.length / PAGE_BYTES;
    const digests = new Uint8Array(pageCount * DIGEST_BYTES);
    const indexes = Uint32Array.from({ length: pageCount }, (_, index) => index);
    this.#engine.digestPages(pages, indexes, this.#key, digests);
    const words = new Uint32Array(digests.buffer);
    for (let page = 0; page < pageCount; page++) {
      this.#add(words.subarray((page * DIGEST_BYTES) / 4, (page * DIGEST_BYTES) / 4 + WORDS));
    }
  }

  #add(digest: Uint32Array): void {
    if (this.#count * 4 >= this.#isUsed.length * 3) {
      this.#grow();
    }
    const slot = this.#find(digest);
    if (this.#isUsed[slot] === 0) {
      this.#isUsed[slot] = 1;
      this.#slots.set(digest, slot * WORDS);
      this.#count++;
    }
  }

  /** The slot of a digest, or the free one where it belongs. */
  #find(digest: Uint32Array): number {
    const mask = this.#isUsed.length - 1;
    let slot = digest[0]! & mask;
    while (this.#isUsed[slot] !== 0 && !this.#isAt(slot, digest)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #isAt(slot: number, digest: Uint32Array): boolean {
    return digest.every((word, index) => this.#slots[slot * WORDS + index] === word);
  }

  #grow(): void {
    const [slots, isUsed] = [this.#slots, this.#isUsed];
    this.#slots = new Uint32Array(slots.length * 2);
    this.#isUsed = new Uint8Array(isUsed.length * 2);
    for (let from = 0; from < isUsed.length; from++) {
      if (isUsed[from] !== 0) {
        const digest = slots.subarray(from * WORDS, (from + 1) * WORDS);
        const slot = this.#find(digest);
        this.#isUsed[slot] = 1;
        this.#slots.set(digest, slot * WORDS);
      }
    }
  }
}
