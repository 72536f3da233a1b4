/** Keeps the first and the latest entries of a log, half of them each, where there are too many. */
export class BoundedLog<Entry> {
  readonly #countMax: number;
  readonly #entries: Entry[] = [];

  /** @param countMax entries that are kept. */
  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
    if (this.#entries.length > this.#countMax) {
      this.#entries.splice(Math.floor(this.#countMax / 2), 1);
    }
  }

  /** What was kept, in its order. */
  entries(): Entry[] {
    return [...this.#entries];
  }
}
