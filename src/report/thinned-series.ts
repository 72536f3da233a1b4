/**
 * Keeps so many entries of any number of them, in their order and at even distances: where there
 * are more, every second one, then every fourth, and so on. The first and the last are always kept.
 */
export class ThinnedSeries<Entry> {
  readonly #countMax: number;
  #kept: Entry[] = [];
  #last: Entry | undefined;
  #seen = 0;
  #stride = 1;

  /** @param countMax at least 3. */
  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  add(entry: Entry): void {
    const number = this.#seen++;
    this.#last = entry;
    // One place is the last entry's.
    if (number % this.#stride === 0 && this.#kept.length === this.#countMax - 1) {
      this.#kept = this.#kept.filter((_, index) => index % 2 === 0);
      this.#stride *= 2;
    }
    if (number % this.#stride === 0) {
      this.#kept.push(entry);
    }
  }

  /** What was kept. */
  entries(): Entry[] {
    const isLastKept = (this.#seen - 1) % this.#stride === 0;
    return this.#last === undefined || isLastKept ? [...this.#kept] : [...this.#kept, this.#last];
  }
}
