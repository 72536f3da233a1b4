import { PAGE_BYTES } from "../../base/units.ts";
import type { SparseOutput } from "../../transport/sparse-output.ts";
import type { FinalMemory, MemoryPiece } from "../final-memory.ts";

/** Where a core goes, and who is told how far it is. */
export interface ExportOutput {
  readonly output: SparseOutput;
  readonly signal: AbortSignal | undefined;
  /** Called now and then with the frames that have been written. */
  readonly onFrames: ((frameCount: number) => void) | undefined;
}

/**
 * Writes all pages, zeros as holes.
 *
 * @param before called with each piece, to write what stands before it.
 * @throws MigrationError TRANSPORT_LOST, STREAM_TRUNCATED; the signal's reason.
 */
export async function writePages(
  memory: FinalMemory,
  { output, signal, onFrames }: ExportOutput,
  before: (piece: MemoryPiece) => Promise<void> = async () => {},
): Promise<void> {
  let done = 0;
  for await (const piece of memory.pieces(signal)) {
    await before(piece);
    await (piece.pages === undefined
      ? output.skip(piece.frameCount * PAGE_BYTES)
      : output.write(piece.pages));
    done += piece.frameCount;
    onFrames?.(done);
  }
}
