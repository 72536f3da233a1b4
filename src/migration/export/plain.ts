import { assert } from "../../base/assert.ts";
import { LITTLE_ENDIAN, PAGE_BYTES } from "../../base/units.ts";
import { viewOf } from "../../codec/steps.ts";
import { LIME } from "../../format/lime.ts";
import type { FinalMemory, FrameRange } from "../final-memory.ts";
import { type ExportOutput, writePages } from "./output.ts";

/**
 * Writes LiME's format: each range of frames behind its header; between them there is nothing.
 *
 * @throws MigrationError TRANSPORT_LOST, STREAM_TRUNCATED; the signal's reason.
 */
export async function writeLime(memory: FinalMemory, out: ExportOutput): Promise<void> {
  const ranges = memory.ranges();
  let nextPfn = -1;
  await writePages(memory, out, async ({ firstPfn, frameCount }) => {
    if (firstPfn !== nextPfn) {
      const { value: range } = ranges.next();
      assert(range?.firstPfn === firstPfn, "pieces end where ranges do");
      await out.output.write(limeHeader(range));
    }
    nextPfn = firstPfn + frameCount;
  });
}

function limeHeader({ firstPfn, frameCount }: FrameRange): Uint8Array {
  const header = new Uint8Array(LIME.headerBytes);
  const view = viewOf(header);
  const first = BigInt(firstPfn) * BigInt(PAGE_BYTES);
  view.setUint32(0, LIME.magic, LITTLE_ENDIAN);
  view.setUint32(4, LIME.version, LITTLE_ENDIAN);
  view.setBigUint64(8, first, LITTLE_ENDIAN);
  view.setBigUint64(16, first + BigInt(frameCount * PAGE_BYTES) - 1n, LITTLE_ENDIAN);
  return header;
}

/**
 * Writes memory as it lies: page n at n times 4096, zeros and what there is no memory for as holes.
 *
 * @throws MigrationError TRANSPORT_LOST, STREAM_TRUNCATED; the signal's reason.
 */
export async function writeRaw(memory: FinalMemory, out: ExportOutput): Promise<void> {
  const { output } = out;
  const start = output.offset;
  await writePages(memory, out, ({ firstPfn }) =>
    output.skip(firstPfn * PAGE_BYTES - (output.offset - start)),
  );
}
