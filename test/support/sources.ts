import { BufferedSource } from "../../src/transport/buffered-source.ts";

/**
 * A source over bytes that come in chunks of the sizes `nextSize` gives.
 *
 * Each chunk is the only valid one: its memory is overwritten before the next.
 */
export function sourceOf(bytes: Uint8Array, nextSize: () => number = () => 65_536): BufferedSource {
  return new BufferedSource(chunksOf(bytes, nextSize));
}

/** Cuts bytes into chunks that share one piece of memory, as a reading loop's do. */
export function* chunksOf(
  bytes: Uint8Array,
  nextSize: () => number,
): Generator<Uint8Array, void, undefined> {
  let memory = new Uint8Array(0);
  for (let at = 0; at < bytes.length; ) {
    const size = Math.min(bytes.length - at, Math.max(1, nextSize()));
    memory.fill(0xee);
    if (memory.length < size) {
      memory = new Uint8Array(size);
    }
    memory.set(bytes.subarray(at, at + size));
    yield memory.subarray(0, size);
    at += size;
  }
}
