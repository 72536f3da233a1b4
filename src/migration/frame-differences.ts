/** Ranges that are kept; of those behind them frames are only counted. */
const RANGES_MAX = 1000;

/** Frames that follow each other and differ in the same way. */
export interface DifferingRange<Kind extends string> {
  readonly kind: Kind;
  readonly firstPfn: number;
  readonly frameCount: number;
}

/** Gathers frames that differ, told by rising number, as ranges. */
export class FrameDifferences<Kind extends string> {
  readonly #ranges: { kind: Kind; firstPfn: number; frameCount: number }[] = [];
  readonly #counts: Record<Kind, number>;
  #open: { kind: Kind; firstPfn: number; frameCount: number } | undefined;
  #rangeCount = 0;

  /** @param kinds all there are, in the order in which they are counted. */
  constructor(kinds: readonly Kind[]) {
    this.#counts = Object.fromEntries(kinds.map((kind) => [kind, 0])) as Record<Kind, number>;
  }

  /** Takes a frame down. */
  add(pfn: number, kind: Kind): void {
    this.#counts[kind]++;
    const open = this.#open;
    if (open?.kind === kind && open.firstPfn + open.frameCount === pfn) {
      open.frameCount++;
      return;
    }
    this.#rangeCount++;
    this.#open = { kind, firstPfn: pfn, frameCount: 1 };
    if (this.#ranges.length < RANGES_MAX) {
      this.#ranges.push(this.#open);
    }
  }

  /** The first of them. */
  get ranges(): readonly DifferingRange<Kind>[] {
    return this.#ranges;
  }

  /** All of them, also those not kept. */
  get rangeCount(): number {
    return this.#rangeCount;
  }

  /** Frames by how they differ. */
  get counts(): Readonly<Record<Kind, number>> {
    return this.#counts;
  }

  /** Frames that differ. */
  get frameCount(): number {
    return Object.values<number>(this.#counts).reduce((sum, count) => sum + count, 0);
  }
}
