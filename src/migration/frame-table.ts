import { randomInt } from "node:crypto";

/** First number of slots; a power of two. */
const SLOTS_MIN = 4096;

/** Where the page of a frame is: no page, a page of zeros, or an offset in a store. */
export type PagePlace = "none" | "zero" | number;

/** Values of `#places` that are no offsets. */
const NONE = -1;
const ZERO = -2;

/**
 * What is known of every frame that a stream named: how often it came, of which type it was last,
 * and where its page is.
 *
 * A hash table in typed arrays, 17 octets a slot, at most three quarters full: memory goes with
 * the frames that came, not with the highest. The seed keeps a stream from choosing collisions.
 */
export class FrameTable {
  readonly #seed = randomInt(2 ** 32);
  #pfns = new Uint32Array(SLOTS_MIN);
  #counts = new Uint32Array(SLOTS_MIN);
  #places = new Float64Array(SLOTS_MIN);
  #types = new Uint8Array(SLOTS_MIN);
  #frameCount = 0;

  /** Frames that came at least once. */
  get frameCount(): number {
    return this.#frameCount;
  }

  /**
   * Counts one more coming of `pfn`.
   *
   * @returns its slot, for the other members, valid until the next call of this one.
   */
  touch(pfn: number): number {
    if (this.#frameCount * 4 >= this.#pfns.length * 3) {
      this.#grow();
    }
    const slot = this.#find(pfn);
    if (this.#counts[slot] === 0) {
      this.#pfns[slot] = pfn;
      this.#places[slot] = NONE;
      this.#frameCount++;
    }
    this.#counts[slot] = this.#counts[slot]! + 1;
    return slot;
  }

  /** How often the frame in `slot` came. */
  countAt(slot: number): number {
    return this.#counts[slot]!;
  }

  /** Says of which page type the frame in `slot` is. */
  setTypeAt(slot: number, pageType: number): void {
    this.#types[slot] = pageType;
  }

  /** The slot of `pfn`, valid until the next `touch`; `undefined` if it never came. */
  slotOf(pfn: number): number | undefined {
    const slot = this.#find(pfn);
    return this.#counts[slot] === 0 ? undefined : slot;
  }

  /** The page type the frame in `slot` last had. */
  typeAt(slot: number): number {
    return this.#types[slot]!;
  }

  /** Where the page of the frame in `slot` is. */
  placeAt(slot: number): PagePlace {
    const place = this.#places[slot]!;
    return place === NONE ? "none" : place === ZERO ? "zero" : place;
  }

  /** Says where the page of the frame in `slot` is. */
  setPlaceAt(slot: number, place: PagePlace): void {
    this.#places[slot] = place === "none" ? NONE : place === "zero" ? ZERO : place;
  }

  /** Where the page of `pfn` is; `none` for frames that never came. */
  placeOf(pfn: number): PagePlace {
    const slot = this.slotOf(pfn);
    return slot === undefined ? "none" : this.placeAt(slot);
  }

  /** All frames that came, rising. */
  sortedPfns(): Uint32Array {
    const sorted = new Uint32Array(this.#frameCount);
    let filled = 0;
    for (let slot = 0; slot < this.#pfns.length; slot++) {
      if (this.#counts[slot] !== 0) {
        sorted[filled++] = this.#pfns[slot]!;
      }
    }
    return sorted.sort();
  }

  /** The slot of `pfn`, or the free one where it belongs. @source MurmurHash3's finalizer */
  #find(pfn: number): number {
    const mask = this.#pfns.length - 1;
    let hash = pfn ^ this.#seed;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
    let slot = (hash ^ (hash >>> 16)) & mask;
    while (this.#counts[slot] !== 0 && this.#pfns[slot] !== pfn) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #grow(): void {
    const [pfns, counts, places, types] = [this.#pfns, this.#counts, this.#places, this.#types];
    this.#pfns = new Uint32Array(pfns.length * 2);
    this.#counts = new Uint32Array(pfns.length * 2);
    this.#places = new Float64Array(pfns.length * 2);
    this.#types = new Uint8Array(pfns.length * 2);
    for (let from = 0; from < pfns.length; from++) {
      if (counts[from] !== 0) {
        const slot = this.#find(pfns[from]!);
        this.#pfns[slot] = pfns[from]!;
        this.#counts[slot] = counts[from]!;
        this.#places[slot] = places[from]!;
        this.#types[slot] = types[from]!;
      }
    }
  }
}
