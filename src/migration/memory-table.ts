import { MigrationError } from "../base/errors.ts";
import type { DigestRun, MemoryTable } from "../codec/digest-file.ts";
import { hasStreamData, PAGE_TYPE } from "../format/page-type.ts";
import type { FrameStates } from "./frame-states.ts";

/**
 * The table of all frames that have memory once an image is restored.
 *
 * @param frames with checksums.
 * @throws MigrationError PAGE_DATA_SCATTERED some were not followed.
 */
export function memoryTable(frames: FrameStates, guestType: number): MemoryTable {
  if (frames.isScattered) {
    throw new MigrationError("PAGE_DATA_SCATTERED");
  }
  const crcs = new Uint32Array(frames.populatedCount);
  const runs: { -readonly [Name in keyof DigestRun]: DigestRun[Name] }[] = [];
  let frameCount = 0;
  eachFinalFrame(frames, (pfn, pageType, crc) => {
    const last = runs.at(-1);
    if (last?.pageType === pageType && last.firstPfn + last.frameCount === pfn) {
      last.frameCount++;
    } else {
      runs.push({ firstPfn: pfn, pageType, frameCount: 1 });
    }
    crcs[frameCount++] = crc;
  });
  return { guestType, runs, crcs: crcs.subarray(0, frameCount) };
}

/**
 * Calls `visit` with each frame that has memory in the end, rising: with NOTAB if it was only
 * allocated. `place` is the offset of its page in the stream; -1 where it came without, or places
 * are not kept.
 */
export function eachFinalFrame(
  frames: FrameStates,
  visit: (pfn: number, pageType: number, crc: number, place: number) => void,
): void {
  frames.eachCrc((pfn, crc, pageType, place) => {
    if (pageType === PAGE_TYPE.XALLOC) {
      visit(pfn, PAGE_TYPE.NOTAB, crc, place);
    } else if (hasStreamData(pageType)) {
      visit(pfn, pageType, crc, place);
    }
  });
}
