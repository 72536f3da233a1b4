import { PAGE_BYTES } from "../../base/units.ts";
import { type ImageContents, withImageContents } from "../image-contents.ts";
import type { InspectedSource } from "../inspect.ts";
import { pageTypeLabel } from "../memory-image.ts";
import type { ReadingOptions } from "../verify-stream.ts";
import { compareMemory, type MemoryComparison } from "./compare-memory.ts";
import { compareStates, type StateComparison } from "./compare-state.ts";
import { ignoring } from "./ignore.ts";
import { readGuestState } from "./read-state.ts";

/** Which of two images. */
export type Side = "a" | "b";

/** Options of {@link diffImages}. */
export interface DiffOptions extends Omit<ReadingOptions, "onProgress"> {
  readonly parts: "all" | "memory" | "state";
  /** As of `ignoring`. */
  readonly ignore: readonly string[];
  /** Told how far it is: octets of an image, or frames of A that have been compared. */
  readonly onProgress?: ((what: Side | "memory", done: number, of: number) => void) | undefined;
}

/** How two guests differ. */
export interface Diff {
  readonly isEqual: boolean;
  /** `undefined` where it was not compared. */
  readonly state: StateComparison | undefined;
  readonly memory: MemoryComparison | undefined;
}

/** A page of both, as hexadecimal where it has memory. */
export interface PageDiff {
  readonly pfn: number;
  readonly isEqual: boolean;
  readonly a: PageOfOne | undefined;
  readonly b: PageOfOne | undefined;
  /** Octets that differ, where both have memory. */
  readonly differing: number | undefined;
}

/** A frame of one side. */
export interface PageOfOne {
  readonly pageType: string;
  /** Valid as long as the caller keeps it; `undefined` where there is no memory. */
  readonly page: Uint8Array | undefined;
}

/** Two images that have been read. */
export interface ReadImages {
  readonly a: ImageContents;
  readonly b: ImageContents;
}

/**
 * Reads two images, one after the other, and has `work` look at both.
 *
 * @throws what `work` throws, and as `withImageContents`
 */
export async function withBothImages<Result>(
  sources: Readonly<Record<Side, InspectedSource>>,
  options: Pick<DiffOptions, "pageDataHead" | "signal" | "onProgress">,
  work: (images: ReadImages) => Promise<Result>,
): Promise<Result> {
  const { pageDataHead, signal } = options;
  const reading = (side: Side) => ({
    pageDataHead,
    signal,
    onProgress: (done: number) => options.onProgress?.(side, done, 0),
  });
  return await withImageContents(sources.a, reading("a"), (a) =>
    withImageContents(sources.b, reading("b"), (b) => work({ a, b })),
  );
}

/**
 * Compares two guests: memory frame by frame, and everything else field by field.
 *
 * @throws MigrationError TRANSPORT_LOST, STREAM_TRUNCATED; the signal's reason.
 */
export async function diffImages({ a, b }: ReadImages, options: DiffOptions): Promise<Diff> {
  const { parts, ignore, signal, onProgress } = options;
  const state =
    parts === "memory"
      ? undefined
      : compareStates(readGuestState(a), readGuestState(b), ignoring(ignore));
  let memory: MemoryComparison | undefined;
  if (parts !== "state") {
    const finalA = a.memory.final();
    const onFrames = (done: number) => onProgress?.("memory", done, finalA.frameCount);
    memory = await compareMemory(finalA, b.memory.final(), { signal, onFrames });
  }
  const isEqual = (state?.differing ?? 0) === 0 && (memory?.differing ?? 0) === 0;
  return { isEqual, state, memory };
}

/**
 * Compares a page of two guests.
 *
 * @throws MigrationError TRANSPORT_LOST, STREAM_TRUNCATED
 */
export async function diffPage({ a, b }: ReadImages, pfn: number): Promise<PageDiff> {
  const [ofA, ofB] = [await pageOf(a, pfn), await pageOf(b, pfn)];
  const [pageA, pageB] = [ofA?.page, ofB?.page];
  const differing =
    pageA === undefined || pageB === undefined ? undefined : countDiffering(pageA, pageB);
  const isSame = differing === 0 || (pageA === undefined && pageB === undefined);
  const isEqual = isSame && (pageA === undefined || ofA?.pageType === ofB?.pageType);
  return { pfn, isEqual, a: ofA, b: ofB, differing };
}

async function pageOf({ memory }: ImageContents, pfn: number): Promise<PageOfOne | undefined> {
  const final = memory.final();
  const index = final.indexFrom(pfn);
  if (final.pfns[index] === pfn) {
    const page = await final.page(pfn);
    return { pageType: pageTypeLabel(final.typeAt(index)), page };
  }
  const frame = await memory.frame(pfn);
  return frame && { pageType: pageTypeLabel(frame.pageType), page: undefined };
}

function countDiffering(a: Uint8Array, b: Uint8Array): number {
  let differing = 0;
  for (let at = 0; at < PAGE_BYTES; at++) {
    differing += a[at] === b[at] ? 0 : 1;
  }
  return differing;
}
