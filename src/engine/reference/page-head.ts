import {
  PAGE_DATA_HEAD_BYTES,
  PAGE_DATA_RECORD_TYPE,
  PFN_WORD_BYTES,
} from "../../base/page-head.ts";
import { LITTLE_ENDIAN, PAGE_BYTES } from "../../base/units.ts";

const RECORD_HEADER_BYTES = 8;
const PAGE_TYPE_BROKEN = 0xd;
const PAGE_TYPE_SHIFT = 28;
/** Of a word's upper half: bits 59-52 are reserved, and 51-32 set mean a pfn of 2^32 or more. */
const MUST_BE_CLEAR_MASK = 0x0fffffff;

/** Contract: PageDataHeadCodec. Twins: asm/page-head.ts, native/engine/page_head.cc. */
export function encodePageDataHead(pfns: Uint32Array, types: Uint8Array, out: Uint8Array): number {
  const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
  const headBytes = PAGE_DATA_HEAD_BYTES + PFN_WORD_BYTES * pfns.length;
  let dataPages = 0;
  for (let entry = 0; entry < pfns.length; entry += 1) {
    const type = types[entry]!;
    const at = PAGE_DATA_HEAD_BYTES + PFN_WORD_BYTES * entry;
    view.setUint32(at, pfns[entry]!, LITTLE_ENDIAN);
    view.setUint32(at + 4, type << PAGE_TYPE_SHIFT, LITTLE_ENDIAN);
    dataPages += type < PAGE_TYPE_BROKEN ? 1 : 0;
  }
  view.setUint32(0, PAGE_DATA_RECORD_TYPE, LITTLE_ENDIAN);
  view.setUint32(4, headBytes - RECORD_HEADER_BYTES + PAGE_BYTES * dataPages, LITTLE_ENDIAN);
  view.setUint32(8, pfns.length, LITTLE_ENDIAN);
  view.setUint32(12, 0, LITTLE_ENDIAN);
  return headBytes;
}

/** Contract: PageDataHeadCodec. Twins: asm/page-head.ts, native/engine/page_head.cc. */
export function decodePageDataHead(
  words: Uint8Array,
  outPfns: Uint32Array,
  outTypes: Uint8Array,
): number {
  const view = new DataView(words.buffer, words.byteOffset, words.byteLength);
  const wordCount = words.length / PFN_WORD_BYTES;
  for (let entry = 0; entry < wordCount; entry += 1) {
    const upper = view.getUint32(PFN_WORD_BYTES * entry + 4, LITTLE_ENDIAN);
    if ((upper & MUST_BE_CLEAR_MASK) !== 0) {
      return entry;
    }
    outPfns[entry] = view.getUint32(PFN_WORD_BYTES * entry, LITTLE_ENDIAN);
    outTypes[entry] = upper >>> PAGE_TYPE_SHIFT;
  }
  return wordCount;
}
