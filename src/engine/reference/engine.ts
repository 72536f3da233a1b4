import { checkedEngine } from "../checked.ts";
import type { PageEngine, PageOperation } from "../types.ts";
import { countBitmap, orBitmap, scanBitmap } from "./bitmap.ts";
import { checksumPages } from "./checksum.ts";
import { digestPages } from "./digest.ts";
import { decodePageDataHead, encodePageDataHead } from "./page-head.ts";
import { comparePages, findZeroPages, gatherPages, scatterPages } from "./pages.ts";

const VARIANTS: Readonly<Record<PageOperation, string>> = {
  scanBitmap: "words",
  countBitmap: "words",
  orBitmap: "words",
  findZeroPages: "words",
  gatherPages: "words",
  scatterPages: "words",
  comparePages: "words",
  checksumPages: "slicing-by-8",
  digestPages: "words",
  encodePageDataHead: "words",
  decodePageDataHead: "words",
};

/** The plain TypeScript engine: oracle for the other two, and what works before any build. */
export function createReferenceEngine(): PageEngine {
  return checkedEngine("reference", VARIANTS, {
    scanBitmap,
    countBitmap,
    orBitmap,
    findZeroPages,
    gatherPages,
    scatterPages,
    comparePages,
    checksumPages,
    digestPages,
    encodePageDataHead,
    decodePageDataHead,
  });
}
