import { LITTLE_ENDIAN } from "../../base/units.ts";

const WORD_BITS = 32;
const WORD_BYTES = 4;

/** Contract: PageOperations.scanBitmap. Twins: asm/bitmap.ts, native/engine/bitmap.cc. */
export function scanBitmap(bitmap: Uint8Array, firstPfn: number, outPfns: Uint32Array): number {
  if (firstPfn >= bitmap.length * 8) {
    return 0;
  }
  const words = viewOf(bitmap);
  const wordCount = bitmap.length / WORD_BYTES;
  const firstWord = Math.floor(firstPfn / WORD_BITS);
  let written = 0;
  let mask = -1 << (firstPfn % WORD_BITS);
  for (let wordIndex = firstWord; wordIndex < wordCount; wordIndex += 1) {
    let rest = words.getUint32(wordIndex * WORD_BYTES, LITTLE_ENDIAN) & mask;
    mask = -1;
    while (rest !== 0) {
      if (written === outPfns.length) {
        return written;
      }
      const lowest = rest & -rest;
      outPfns[written] = wordIndex * WORD_BITS + (WORD_BITS - 1 - Math.clz32(lowest));
      written += 1;
      rest ^= lowest;
    }
  }
  return written;
}

/** Contract: PageOperations.countBitmap. Twins: asm/bitmap.ts, native/engine/bitmap.cc. */
export function countBitmap(bitmap: Uint8Array): number {
  const words = viewOf(bitmap);
  let setBits = 0;
  for (let at = 0; at < bitmap.length; at += WORD_BYTES) {
    setBits += countWord(words.getUint32(at, LITTLE_ENDIAN));
  }
  return setBits;
}

/** Contract: PageOperations.orBitmap. Twins: asm/bitmap.ts, native/engine/bitmap.cc. */
export function orBitmap(into: Uint8Array, from: Uint8Array): number {
  const intoWords = viewOf(into);
  const fromWords = viewOf(from);
  let setBits = 0;
  for (let at = 0; at < into.length; at += WORD_BYTES) {
    const word = intoWords.getUint32(at, LITTLE_ENDIAN) | fromWords.getUint32(at, LITTLE_ENDIAN);
    intoWords.setUint32(at, word, LITTLE_ENDIAN);
    setBits += countWord(word);
  }
  return setBits;
}

/** Set bits of 32: sums neighbouring fields of 1, 2 and 4 bits, then the four bytes. */
function countWord(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  const bytes = (nibbles + (nibbles >>> 4)) & 0x0f0f0f0f;
  return Math.imul(bytes, 0x01010101) >>> 24;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
