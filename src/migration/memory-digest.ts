import { assert } from "../base/assert.ts";
import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import { digestRoot, type MemoryTable } from "../codec/digest-file.ts";
import type { PageEngine } from "../engine/types.ts";
import type { ImageSource } from "../transport/image-file.ts";
import { type DifferingRange, FrameDifferences } from "./frame-differences.ts";
import type { FrameStates } from "./frame-states.ts";
import { eachFinalFrame, memoryTable } from "./memory-table.ts";
import { StreamVerifier, type VerifyResult } from "./stream-verifier.ts";
import { type ReadingOptions, type VerifyOptions, verifyInto } from "./verify-stream.ts";

/** Options of {@link digestImage}. */
export interface DigestOptions extends ReadingOptions {
  /** Checksums pages, by threads if it is the native one and the image a plain file. */
  readonly engine: PageEngine;
}

/** The digest of an image's memory. */
export interface ImageDigest {
  readonly table: MemoryTable;
  /** In hexadecimal. */
  readonly root: string;
  /** Octets of the image. */
  readonly bytes: number;
}

/**
 * Digests the memory that restoring an image gives, frame by frame.
 *
 * Memory goes with the guest's frames, nine octets each.
 *
 * @throws MigrationError the first thing that restore would stop at, PAGE_DATA_SCATTERED,
 *   TRANSPORT_*; the signal's reason.
 */
export async function digestImage(
  source: ByteSource | ImageSource,
  options: DigestOptions,
): Promise<ImageDigest> {
  const reading = { ...options, deepBy: options.engine };
  const verifier = new StreamVerifier(reading);
  await verifyInto(verifier, source, reading);
  if (verifier.refusal !== undefined) {
    throw new MigrationError(verifier.refusal.code, verifier.refusal.facts);
  }
  const { guestType, bytes } = verifier.finish().summary;
  assert(guestType !== undefined, "a stream that restore takes has a domain header");
  const table = memoryTable(verifier.frames, guestType);
  return { table, root: digestRoot(table), bytes };
}

/** How a frame differs from the digest: by its page, by its type alone, or by being there. */
export type DigestDifference = "content" | "type" | "missing" | "extra";

const DIFFERENCES: readonly DigestDifference[] = ["content", "type", "missing", "extra"];

/** The first frame that differs. */
export interface DifferingFrame {
  readonly pfn: number;
  readonly kind: DigestDifference;
  /** Where its page is in the decompressed stream; `undefined` where it came without. */
  readonly offset: number | undefined;
  readonly expectedCrc: number | undefined;
  readonly foundCrc: number | undefined;
}

/** An image's memory beside a digest. */
export interface DigestComparison {
  readonly isEqual: boolean;
  /** Frames of the digest. */
  readonly frames: number;
  readonly differing: number;
  readonly by: Readonly<Record<DigestDifference, number>>;
  readonly first: DifferingFrame | undefined;
  /** The first 1,000. */
  readonly ranges: readonly (DifferingRange<DigestDifference> & {
    /** Where the first one's page is. */
    readonly offset: number | undefined;
  })[];
  readonly rangeCount: number;
}

/**
 * Verifies a stream as `verifyStream` does, and compares its memory with a digest. What differs is
 * a finding, PAGE_DATA_DIGEST, too.
 *
 * @param options `deepBy` is needed.
 * @throws MigrationError PAGE_DATA_SCATTERED, and as `verifyStream`
 */
export async function verifyAgainstDigest(
  source: ByteSource | ImageSource,
  options: VerifyOptions & { readonly deepBy: PageEngine },
  digest: MemoryTable,
): Promise<VerifyResult & { readonly digest: DigestComparison }> {
  const verifier = new StreamVerifier({ ...options, places: "keep" });
  await verifyInto(verifier, source, options);
  if (verifier.frames.isScattered) {
    throw new MigrationError("PAGE_DATA_SCATTERED");
  }
  const comparison = compareWithDigest(verifier.frames, digest);
  const { guestType } = verifier;
  if (guestType !== digest.guestType) {
    verifier.tell("PAGE_DATA_DIGEST", "violated", { differs: "guest type", guestType });
  }
  if (comparison.first !== undefined) {
    const { pfn, kind, offset } = comparison.first;
    const facts = { offset, layer: "libxc", record: "PAGE_DATA", pfn, differs: kind };
    verifier.tell("PAGE_DATA_DIGEST", "violated", { ...facts, frames: comparison.differing });
  }
  return { ...verifier.finish(), digest: comparison };
}

/** Compares frame by frame. @param frames with checksums and places. */
export function compareWithDigest(frames: FrameStates, digest: MemoryTable): DigestComparison {
  const differences = new FrameDifferences(DIFFERENCES);
  const offsets: (number | undefined)[] = [];
  const expected = new TableCursor(digest);
  let first: DifferingFrame | undefined;
  const tell = (pfn: number, kind: DigestDifference, found?: { crc: number; place: number }) => {
    const offset = found === undefined || found.place === -1 ? undefined : found.place;
    const expectedCrc = kind === "extra" ? undefined : expected.crc;
    first ??= { pfn, kind, offset, expectedCrc, foundCrc: found?.crc };
    differences.add(pfn, kind);
    if (offsets.length < differences.ranges.length) {
      offsets.push(offset);
    }
  };
  eachFinalFrame(frames, (pfn, pageType, crc, place) => {
    for (; expected.pfn < pfn; expected.next()) {
      tell(expected.pfn, "missing");
    }
    if (expected.pfn > pfn) {
      tell(pfn, "extra", { crc, place });
      return;
    }
    if (expected.crc !== crc) {
      tell(pfn, "content", { crc, place });
    } else if (expected.pageType !== pageType) {
      tell(pfn, "type", { crc, place });
    }
    expected.next();
  });
  for (; expected.pfn !== Number.POSITIVE_INFINITY; expected.next()) {
    tell(expected.pfn, "missing");
  }
  return {
    isEqual: first === undefined,
    frames: digest.crcs.length,
    differing: differences.frameCount,
    by: differences.counts,
    first,
    ranges: differences.ranges.map((range, index) => ({ ...range, offset: offsets[index] })),
    rangeCount: differences.rangeCount,
  };
}

/** Goes through the frames of a table. */
class TableCursor {
  readonly #table: MemoryTable;
  #run = 0;
  #inRun = -1;
  #index = -1;

  constructor(table: MemoryTable) {
    this.#table = table;
    this.next();
  }

  /** Of the frame it is at; infinite behind the last one. */
  get pfn(): number {
    const run = this.#table.runs[this.#run];
    return run === undefined ? Number.POSITIVE_INFINITY : run.firstPfn + this.#inRun;
  }

  get pageType(): number {
    return this.#table.runs[this.#run]?.pageType ?? 0;
  }

  get crc(): number {
    return this.#table.crcs[this.#index] ?? 0;
  }

  next(): void {
    this.#index++;
    this.#inRun++;
    if (this.#inRun === this.#table.runs[this.#run]?.frameCount) {
      this.#run++;
      this.#inRun = 0;
    }
  }
}
