import type { PageDataHeadCodec } from "../../src/base/page-head.ts";
import { PAGE_BYTES } from "../../src/base/units.ts";

/** Page types that are followed by a page: written out, so as not to ask what is tested. */
const WITH_DATA = new Set([0, 1, 2, 3, 4, 9, 10, 11, 12]);

/** A slow and obvious head codec, for tests that need one and are not about engines. */
export const plainHeadCodec: PageDataHeadCodec = {
  encodePageDataHead(pfns, types, out) {
    const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
    let bodyBytes = 8 + 8 * pfns.length;
    for (const [index, pfn] of pfns.entries()) {
      view.setUint32(16 + 8 * index, pfn, true);
      view.setUint32(20 + 8 * index, types[index]! << 28, true);
      bodyBytes += WITH_DATA.has(types[index]!) ? PAGE_BYTES : 0;
    }
    view.setUint32(0, 1, true);
    view.setUint32(4, bodyBytes, true);
    view.setUint32(8, pfns.length, true);
    view.setUint32(12, 0, true);
    return 16 + 8 * pfns.length;
  },
  decodePageDataHead(words, outPfns, outTypes) {
    const view = new DataView(words.buffer, words.byteOffset, words.byteLength);
    const wordCount = words.length / 8;
    for (let index = 0; index < wordCount; index++) {
      const high = view.getUint32(8 * index + 4, true);
      if ((high & 0x0fff_ffff) !== 0) {
        return index;
      }
      outPfns[index] = view.getUint32(8 * index, true);
      outTypes[index] = high >>> 28;
    }
    return wordCount;
  },
};
