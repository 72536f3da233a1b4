import { PAGE_BYTES } from "../../base/units.ts";
import type { FinalMemory } from "../final-memory.ts";
import { type DifferingRange, FrameDifferences } from "../frame-differences.ts";

/** Pages of each side that are read at once, 1 MiB. */
const FRAMES_AT_ONCE = 256;

/** How a frame differs. */
export type MemoryDifference = "content" | "type" | "content and type" | "only in A" | "only in B";

const DIFFERENCES: readonly MemoryDifference[] = [
  "content",
  "type",
  "content and type",
  "only in A",
  "only in B",
];

/** What differs in memory. */
export interface MemoryComparison {
  /** Frames with memory. */
  readonly frames: { readonly a: number; readonly b: number };
  /** Frames that are not the same on both sides. */
  readonly differing: number;
  readonly by: Readonly<Record<MemoryDifference, number>>;
  /** The first 1,000. */
  readonly ranges: readonly DifferingRange<MemoryDifference>[];
  readonly rangeCount: number;
}

/** How {@link compareMemory} goes about it. */
export interface CompareOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called now and then with the frames of A that have been compared. */
  readonly onFrames?: ((frameCount: number) => void) | undefined;
}

/**
 * Compares the memory of two guests frame by frame, octet by octet.
 *
 * @throws MigrationError TRANSPORT_LOST, STREAM_TRUNCATED; the signal's reason.
 */
export async function compareMemory(
  a: FinalMemory,
  b: FinalMemory,
  { signal, onFrames }: CompareOptions,
): Promise<MemoryComparison> {
  const differences = new FrameDifferences(DIFFERENCES);
  const pages = new PagePairs(a, b);
  let [atA, atB] = [0, 0];
  while (atA < a.frameCount || atB < b.frameCount) {
    signal?.throwIfAborted();
    const [pfnA = Number.POSITIVE_INFINITY, pfnB = Number.POSITIVE_INFINITY] = [
      a.pfns[atA],
      b.pfns[atB],
    ];
    if (pfnA < pfnB) {
      differences.add(pfnA, "only in A");
      atA++;
    } else if (pfnB < pfnA) {
      differences.add(pfnB, "only in B");
      atB++;
    } else {
      const count = pages.commonCount(atA, atB);
      await pages.compare({ atA, atB, count }, differences);
      atA += count;
      atB += count;
      onFrames?.(atA);
    }
  }
  return {
    frames: { a: a.frameCount, b: b.frameCount },
    differing: differences.frameCount,
    by: differences.counts,
    ranges: differences.ranges,
    rangeCount: differences.rangeCount,
  };
}

/** Frames that both have. */
interface Common {
  readonly atA: number;
  readonly atB: number;
  readonly count: number;
}

class PagePairs {
  readonly #a: FinalMemory;
  readonly #b: FinalMemory;
  readonly #pagesA = new Uint8Array(FRAMES_AT_ONCE * PAGE_BYTES);
  readonly #pagesB = new Uint8Array(FRAMES_AT_ONCE * PAGE_BYTES);

  constructor(a: FinalMemory, b: FinalMemory) {
    this.#a = a;
    this.#b = b;
  }

  /** Frames from here on that both have, as many as are read at once. */
  commonCount(atA: number, atB: number): number {
    let count = 1;
    while (
      count < FRAMES_AT_ONCE &&
      atA + count < this.#a.frameCount &&
      this.#a.pfns[atA + count] === this.#b.pfns[atB + count]
    ) {
      count++;
    }
    return count;
  }

  async compare(
    { atA, atB, count }: Common,
    differences: FrameDifferences<MemoryDifference>,
  ): Promise<void> {
    const pagesA = this.#pagesA.subarray(0, count * PAGE_BYTES);
    const pagesB = this.#pagesB.subarray(0, count * PAGE_BYTES);
    await this.#a.readAt(atA, pagesA);
    await this.#b.readAt(atB, pagesB);
    for (let index = 0; index < count; index++) {
      const [start, end] = [index * PAGE_BYTES, (index + 1) * PAGE_BYTES];
      const isOther =
        Buffer.compare(pagesA.subarray(start, end), pagesB.subarray(start, end)) !== 0;
      const isRetyped = this.#a.typeAt(atA + index) !== this.#b.typeAt(atB + index);
      if (isOther || isRetyped) {
        const kind = isOther ? (isRetyped ? "content and type" : "content") : "type";
        differences.add(this.#a.pfns[atA + index]!, kind);
      }
    }
  }
}
