import { LITTLE_ENDIAN, PAGE_BYTES } from "../../base/units.ts";
import { DIGEST_BYTES } from "../types.ts";

const WORD_BYTES = 4;
const GRANULE_BYTES = 16;
const HASH_BYTES = 8;
const TWO_TO_16 = 2 ** 16;
const TWO_TO_32 = 2 ** 32;

/** Contract: PageOperations.digestPages. Twins: asm/digest.ts, native/engine/digest.cc. */
export function digestPages(
  window: Uint8Array,
  pageIndexes: Uint32Array,
  key: Uint8Array,
  outDigests: Uint8Array,
): number {
  const pages = viewOf(window);
  const keys = viewOf(key);
  const digests = viewOf(outDigests);
  for (let entry = 0; entry < pageIndexes.length; entry += 1) {
    const pageAt = pageIndexes[entry]! * PAGE_BYTES;
    for (let iteration = 0; iteration < DIGEST_BYTES / HASH_BYTES; iteration += 1) {
      const out = { digests, at: entry * DIGEST_BYTES + iteration * HASH_BYTES };
      hashPage({ pages, pageAt, keys, keyAt: iteration * GRANULE_BYTES }, out);
    }
  }
  return pageIndexes.length;
}

interface Input {
  readonly pages: DataView;
  readonly pageAt: number;
  readonly keys: DataView;
  readonly keyAt: number;
}

interface Output {
  readonly digests: DataView;
  readonly at: number;
}

/**
 * NH of one page. A product of 32-bit words is taken in two, each below 2^48, and their halves are
 * summed apart: 512 products stay far below 2^53, so nothing is rounded.
 */
function hashPage({ pages, pageAt, keys, keyAt }: Input, { digests, at }: Output): void {
  const sumAt = (offset: number): number =>
    (pages.getUint32(pageAt + offset, LITTLE_ENDIAN) +
      keys.getUint32(keyAt + offset, LITTLE_ENDIAN)) %
    TWO_TO_32;
  let low = 0;
  let high = 0;
  for (let block = 0; block < PAGE_BYTES; block += 2 * GRANULE_BYTES) {
    for (let offset = block; offset < block + GRANULE_BYTES; offset += WORD_BYTES) {
      const first = sumAt(offset);
      const second = sumAt(offset + GRANULE_BYTES);
      const byLowHalf = first * (second % TWO_TO_16);
      const byHighHalf = first * Math.floor(second / TWO_TO_16);
      low += (byLowHalf % TWO_TO_32) + (byHighHalf % TWO_TO_16) * TWO_TO_16;
      high += Math.floor(byLowHalf / TWO_TO_32) + Math.floor(byHighHalf / TWO_TO_16);
    }
  }
  digests.setUint32(at, low % TWO_TO_32, LITTLE_ENDIAN);
  digests.setUint32(at + 4, (high + Math.floor(low / TWO_TO_32)) % TWO_TO_32, LITTLE_ENDIAN);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
