import { isUint8Array, isUint32Array } from "node:util/types";
import { HEAD_PAGES_MAX, PAGE_DATA_HEAD_BYTES, PFN_WORD_BYTES } from "../base/page-head.ts";
import { PAGE_BYTES, PFN_COUNT_MAX } from "../base/units.ts";
import {
  DIGEST_BYTES,
  DIGEST_KEY_BYTES,
  type EngineName,
  type PageEngine,
  type PageOperation,
  type PageOperations,
} from "./types.ts";

const BITMAP_WORD_BYTES = 8;
const BITMAP_BYTES_MAX = PFN_COUNT_MAX / 8;
const WINDOW_BYTES_MAX = 2 ** 32;
const PAGE_TYPE_MAX = 15;

/**
 * Puts the argument checks of the contract before `operations`, which then may rely on them.
 *
 * Twin: native/engine/bindings.cc, which checks the same for the native operations.
 */
export function checkedEngine(
  name: EngineName,
  variants: Readonly<Record<PageOperation, string>>,
  operations: PageOperations,
): PageEngine {
  return {
    name,
    variants,
    ...checkedBitmaps(operations),
    ...checkedPages(operations),
    ...checkedHashes(operations),
    ...checkedHeads(operations),
  };
}

function checkedBitmaps(
  operations: PageOperations,
): Pick<PageOperations, "scanBitmap" | "countBitmap" | "orBitmap"> {
  return {
    scanBitmap(bitmap, firstPfn, outPfns) {
      requireBitmap("bitmap", bitmap);
      requireIndex("firstPfn", firstPfn);
      requireWords("outPfns", outPfns);
      requireApart("outPfns", outPfns, bitmap);
      return operations.scanBitmap(bitmap, firstPfn, outPfns);
    },
    countBitmap(bitmap) {
      requireBitmap("bitmap", bitmap);
      return operations.countBitmap(bitmap);
    },
    orBitmap(into, from) {
      requireBitmap("into", into);
      requireBitmap("from", from);
      if (into.length !== from.length) {
        throw new RangeError(`into has ${into.length} bytes, from ${from.length}`);
      }
      requireApart("into", into, from);
      return operations.orBitmap(into, from);
    },
  };
}

function checkedPages(
  operations: PageOperations,
): Pick<PageOperations, "findZeroPages" | "gatherPages" | "scatterPages" | "comparePages"> {
  return {
    findZeroPages(window, pageIndexes, outIsZero) {
      requireWindow(window);
      requireWords("pageIndexes", pageIndexes);
      requireBytes("outIsZero", outIsZero);
      requireRoom("outIsZero", outIsZero, pageIndexes.length);
      requireApart("outIsZero", outIsZero, window, pageIndexes);
      requireIndexes(pageIndexes, window);
      return operations.findZeroPages(window, pageIndexes, outIsZero);
    },
    gatherPages(window, pageIndexes, outPages) {
      requireWindow(window);
      requireWords("pageIndexes", pageIndexes);
      requireBytes("outPages", outPages);
      requireRoom("outPages", outPages, pageIndexes.length * PAGE_BYTES);
      requireApart("outPages", outPages, window, pageIndexes);
      requireIndexes(pageIndexes, window);
      return operations.gatherPages(window, pageIndexes, outPages);
    },
    scatterPages(pages, pageIndexes, window) {
      requireBytes("pages", pages);
      requireWords("pageIndexes", pageIndexes);
      requireWindow(window);
      requireRoom("pages", pages, pageIndexes.length * PAGE_BYTES);
      requireApart("window", window, pages, pageIndexes);
      requireIndexes(pageIndexes, window);
      return operations.scatterPages(pages, pageIndexes, window);
    },
    comparePages(window, pageIndexes, pages, outDiffers) {
      requireWindow(window);
      requireWords("pageIndexes", pageIndexes);
      requireBytes("pages", pages);
      requireBytes("outDiffers", outDiffers);
      requireRoom("pages", pages, pageIndexes.length * PAGE_BYTES);
      requireRoom("outDiffers", outDiffers, pageIndexes.length);
      requireApart("outDiffers", outDiffers, window, pageIndexes, pages);
      requireIndexes(pageIndexes, window);
      return operations.comparePages(window, pageIndexes, pages, outDiffers);
    },
  };
}

function checkedHashes(
  operations: PageOperations,
): Pick<PageOperations, "checksumPages" | "digestPages"> {
  return {
    checksumPages(window, pageIndexes, outCrcs) {
      requireWindow(window);
      requireWords("pageIndexes", pageIndexes);
      requireWords("outCrcs", outCrcs);
      requireRoom("outCrcs", outCrcs, pageIndexes.length);
      requireApart("outCrcs", outCrcs, window, pageIndexes);
      requireIndexes(pageIndexes, window);
      return operations.checksumPages(window, pageIndexes, outCrcs);
    },
    digestPages(window, pageIndexes, key, outDigests) {
      requireWindow(window);
      requireWords("pageIndexes", pageIndexes);
      requireBytes("key", key);
      requireBytes("outDigests", outDigests);
      if (key.length !== DIGEST_KEY_BYTES) {
        throw new RangeError(`key has ${key.length} bytes, not ${DIGEST_KEY_BYTES}`);
      }
      requireRoom("outDigests", outDigests, pageIndexes.length * DIGEST_BYTES);
      requireApart("outDigests", outDigests, window, pageIndexes, key);
      requireIndexes(pageIndexes, window);
      return operations.digestPages(window, pageIndexes, key, outDigests);
    },
  };
}

function checkedHeads(
  operations: PageOperations,
): Pick<PageOperations, "encodePageDataHead" | "decodePageDataHead"> {
  return {
    encodePageDataHead(pfns, types, out) {
      requireWords("pfns", pfns);
      requireBytes("types", types);
      requireBytes("out", out);
      if (pfns.length > HEAD_PAGES_MAX) {
        throw new RangeError(`pfns has ${pfns.length} entries, at most ${HEAD_PAGES_MAX} fit`);
      }
      requireRoom("types", types, pfns.length);
      requireRoom("out", out, PAGE_DATA_HEAD_BYTES + PFN_WORD_BYTES * pfns.length);
      requireApart("out", out, pfns, types);
      requireTypes(types, pfns.length);
      return operations.encodePageDataHead(pfns, types, out);
    },
    decodePageDataHead(words, outPfns, outTypes) {
      requireBytes("words", words);
      requireWords("outPfns", outPfns);
      requireBytes("outTypes", outTypes);
      if (words.length % PFN_WORD_BYTES !== 0) {
        throw new RangeError(`words has ${words.length} bytes, not a multiple of 8`);
      }
      const wordCount = words.length / PFN_WORD_BYTES;
      requireRoom("outPfns", outPfns, wordCount);
      requireRoom("outTypes", outTypes, wordCount);
      requireApart("outPfns", outPfns, words, outTypes);
      requireApart("outTypes", outTypes, words);
      return operations.decodePageDataHead(words, outPfns, outTypes);
    },
  };
}

function requireBytes(name: string, value: Uint8Array): void {
  if (!isUint8Array(value)) {
    throw new TypeError(`${name} must be a Uint8Array`);
  }
}

function requireWords(name: string, value: Uint32Array): void {
  if (!isUint32Array(value)) {
    throw new TypeError(`${name} must be a Uint32Array`);
  }
}

function requireIndex(name: string, value: number): void {
  if (typeof value !== "number") {
    throw new TypeError(`${name} must be a number`);
  }
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${name} is ${value}, not a whole number from 0`);
  }
}

function requireBitmap(name: string, value: Uint8Array): void {
  requireBytes(name, value);
  if (value.length % BITMAP_WORD_BYTES !== 0 || value.length > BITMAP_BYTES_MAX) {
    throw new RangeError(`${name} has ${value.length} bytes, not a multiple of 8 up to 2^29`);
  }
}

function requireWindow(window: Uint8Array): void {
  requireBytes("window", window);
  if (window.length % PAGE_BYTES !== 0 || window.length > WINDOW_BYTES_MAX) {
    throw new RangeError(`window has ${window.length} bytes, not whole pages up to 4 GiB`);
  }
}

function requireRoom(name: string, array: Uint8Array | Uint32Array, entryCount: number): void {
  if (array.length < entryCount) {
    throw new RangeError(`${name} has ${array.length} entries, ${entryCount} are needed`);
  }
}

function requireIndexes(pageIndexes: Uint32Array, window: Uint8Array): void {
  const pageCount = window.length / PAGE_BYTES;
  for (const pageIndex of pageIndexes) {
    if (pageIndex >= pageCount) {
      throw new RangeError(`page ${pageIndex} is outside a window of ${pageCount} pages`);
    }
  }
}

function requireTypes(types: Uint8Array, typeCount: number): void {
  for (let index = 0; index < typeCount; index += 1) {
    if (types[index]! > PAGE_TYPE_MAX) {
      throw new RangeError(`type ${types[index]} is not one of 0 to ${PAGE_TYPE_MAX}`);
    }
  }
}

function requireApart(
  name: string,
  output: Uint8Array | Uint32Array,
  ...others: readonly (Uint8Array | Uint32Array)[]
): void {
  for (const other of others) {
    if (
      output.buffer === other.buffer &&
      output.byteOffset < other.byteOffset + other.byteLength &&
      other.byteOffset < output.byteOffset + output.byteLength
    ) {
      throw new RangeError(`${name} overlaps another argument`);
    }
  }
}
