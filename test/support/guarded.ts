import { expect } from "vitest";

const GUARD_BYTES = 64;
const GUARD_VALUE = 0xa5;

/** A view with guard bytes around it, which show writes outside the view. */
export interface Guarded {
  readonly bytes: Uint8Array;
  /** Fails the test where a byte before or after the view has changed. */
  expectIntact(): void;
}

/** A zeroed view of `lengthBytes` bytes at an offset that is `misalignment` beyond 64. */
export function guardedBytes(lengthBytes: number, misalignment: number): Guarded {
  const start = GUARD_BYTES + misalignment;
  const all = new Uint8Array(start + lengthBytes + GUARD_BYTES).fill(GUARD_VALUE);
  const bytes = all.subarray(start, start + lengthBytes).fill(0);
  return {
    bytes,
    expectIntact() {
      expect(all.subarray(0, start).every((byte) => byte === GUARD_VALUE)).toBe(true);
      expect(all.subarray(start + lengthBytes).every((byte) => byte === GUARD_VALUE)).toBe(true);
    },
  };
}

/** A guarded copy of `content`. */
export function guardedCopy(content: Uint8Array, misalignment: number): Guarded {
  const guarded = guardedBytes(content.length, misalignment);
  guarded.bytes.set(content);
  return guarded;
}

/**
 * Fails the test where two arrays differ, naming the first place.
 *
 * Vitest's own comparison walks typed arrays entry by entry and takes seconds for some pages.
 */
export function expectSame<T extends Uint8Array | Uint32Array>(found: T, wanted: T): void {
  if (Buffer.compare(bytesOf(found), bytesOf(wanted)) !== 0) {
    const index = wanted.findIndex((value, at) => value !== found[at]);
    expect({ index, value: found[index], length: found.length }).toEqual({
      index,
      value: wanted[index],
      length: wanted.length,
    });
  }
}

function bytesOf(array: Uint8Array | Uint32Array): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}
