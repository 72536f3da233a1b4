/** Most buffers in one writev. */
const IOVECS_MAX = 1024;

/** Writes some octets of `parts`, at a position of a file or else where the descriptor stands. */
export type WriteSome = (
  parts: Uint8Array[],
  position: number | undefined,
) => Promise<{ readonly bytesWritten: number }>;

/** Writes all of `chunks` in order, however little the kernel takes at a time. */
export async function writeAll(
  writeSome: WriteSome,
  chunks: readonly Uint8Array[],
  position: number | undefined,
): Promise<void> {
  let at = position;
  let rest = chunks.filter((chunk) => chunk.length > 0);
  while (rest.length > 0) {
    const { bytesWritten } = await writeSome(rest.slice(0, IOVECS_MAX), at);
    at = at === undefined ? undefined : at + bytesWritten;
    rest = dropBytes(rest, bytesWritten);
  }
}

function dropBytes(chunks: readonly Uint8Array[], byteCount: number): Uint8Array[] {
  let drop = byteCount;
  const rest: Uint8Array[] = [];
  for (const chunk of chunks) {
    if (drop >= chunk.length) {
      drop -= chunk.length;
    } else {
      rest.push(chunk.subarray(drop));
      drop = 0;
    }
  }
  return rest;
}
