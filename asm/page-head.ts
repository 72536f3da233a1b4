import { FIRST_PTR, FLAGS_PTR, PAGE_BYTES, SECOND_PTR } from "./arena";

const RECORD_TYPE_PAGE_DATA: u32 = 1;
const RECORD_HEADER_BYTES: u32 = 8;
const HEAD_BYTES: u32 = 16;
const PFN_WORD_BYTES: u32 = 8;
const PAGE_TYPE_BROKEN: u32 = 0xd;
/** Bits 59-52 are reserved, and 51-32 set mean a pfn of 2^32 or more. */
const MUST_BE_CLEAR_MASK: u64 = 0x0fffffff_00000000;

/**
 * Encodes pfns of the second region and types of the flags into the first region.
 *
 * Contract: PageDataHeadCodec. Twins: src/engine/reference/page-head.ts,
 * native/engine/page_head.cc.
 */
export function encodePageDataHead(pageCount: u32): u32 {
  let wordPtr = FIRST_PTR + HEAD_BYTES;
  let dataPages: u32 = 0;
  for (let page: u32 = 0; page < pageCount; page += 1) {
    const type = <u32>load<u8>(FLAGS_PTR + page);
    const pfn = <u64>load<u32>(SECOND_PTR + page * sizeof<u32>());
    store<u64>(wordPtr, pfn | (<u64>type << 60));
    wordPtr += PFN_WORD_BYTES;
    dataPages += <u32>(type < PAGE_TYPE_BROKEN);
  }
  const headBytes = HEAD_BYTES + PFN_WORD_BYTES * pageCount;
  store<u32>(FIRST_PTR, RECORD_TYPE_PAGE_DATA);
  store<u32>(FIRST_PTR, headBytes - RECORD_HEADER_BYTES + PAGE_BYTES * dataPages, 4);
  store<u64>(FIRST_PTR, pageCount, 8);
  return headBytes;
}

/**
 * Decodes pfn words of the first region into pfns of the second and types of the flags.
 *
 * Contract: PageDataHeadCodec. Twins: src/engine/reference/page-head.ts,
 * native/engine/page_head.cc.
 */
export function decodePageDataHead(wordCount: u32): u32 {
  for (let entry: u32 = 0; entry < wordCount; entry += 1) {
    const word = load<u64>(FIRST_PTR + entry * PFN_WORD_BYTES);
    if ((word & MUST_BE_CLEAR_MASK) != 0) return entry;
    store<u32>(SECOND_PTR + entry * sizeof<u32>(), <u32>word);
    store<u8>(FLAGS_PTR + entry, <u8>(word >>> 60));
  }
  return wordCount;
}
