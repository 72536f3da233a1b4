import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { MigrationError } from "../base/errors.ts";
import { PFN_WORD_BYTES } from "../base/page-head.ts";
import { PAGE_BYTES } from "../base/units.ts";
import { checkedEngine } from "./checked.ts";
import {
  DIGEST_BYTES,
  ENGINE_ABI_VERSION,
  type PageEngine,
  type PageOperation,
  type PageOperations,
} from "./types.ts";

/** Compiled by set-up from asm/; the same place seen from src/engine and from dist/engine. */
const MODULE_URL = new URL("../../dist/asm/engine.wasm", import.meta.url);

/** So many bytes of a page are looked at where they lie. */
const START_BYTES = 16;

const VARIANTS: Readonly<Record<PageOperation, string>> = {
  scanBitmap: "simd128",
  countBitmap: "simd128",
  orBitmap: "simd128",
  findZeroPages: "simd128",
  gatherPages: "copy",
  scatterPages: "copy",
  comparePages: "simd128",
  checksumPages: "sparse-multiple",
  digestPages: "simd128",
  encodePageDataHead: "words",
  decodePageDataHead: "words",
};

/** A `WebAssembly.Global` of type i32. */
interface NumberGlobal {
  readonly value: number;
}

/** What asm/engine.ts exports: operations on its fixed regions, and where these are. */
interface EngineExports {
  readonly memory: WebAssembly.Memory;
  readonly ABI_VERSION: NumberGlobal;
  readonly REGION_BYTES: NumberGlobal;
  readonly FIRST_PTR: NumberGlobal;
  readonly SECOND_PTR: NumberGlobal;
  readonly FLAGS_PTR: NumberGlobal;
  readonly KEY_PTR: NumberGlobal;
  readonly KEY_BYTES: NumberGlobal;
  scanBitmap(bytes: number, firstBit: number, basePfn: number, countMax: number): number;
  countBitmap(bitmapBytes: number): number;
  orBitmap(bitmapBytes: number): number;
  findZeroPages(pageCount: number): number;
  comparePages(pageCount: number): number;
  checksumPages(pageCount: number): number;
  digestPages(pageCount: number): number;
  encodePageDataHead(pageCount: number): number;
  decodePageDataHead(wordCount: number): number;
}

/** The module and views of its regions, which never move: its memory does not grow. */
interface Arena {
  readonly asm: EngineExports;
  readonly first: Uint8Array;
  readonly second: Uint8Array;
  readonly secondWords: Uint32Array;
  readonly flags: Uint8Array;
  readonly key: Uint8Array;
}

/**
 * Instantiates the WebAssembly engine.
 *
 * Arrays are copied through a fixed arena in chunks, so windows and lists may be of any length.
 * Gathering and scattering are copies already and do without the arena. Consecutive page indexes
 * are copied as one run; each run costs one short-lived view.
 *
 * @param moduleUrl the compiled module; a parameter so that tests can take it away.
 * @throws MigrationError ENGINE_UNAVAILABLE
 */
export function loadWasmEngine(moduleUrl: URL = MODULE_URL): PageEngine {
  const arena = openArena(instantiate(moduleUrl));
  return checkedEngine("wasm", VARIANTS, {
    ...bitmapOperations(arena),
    ...pageOperations(arena),
    ...hashOperations(arena),
    ...headOperations(arena),
  });
}

function instantiate(moduleUrl: URL): EngineExports {
  let asm: EngineExports;
  try {
    const module = new WebAssembly.Module(readFileSync(moduleUrl));
    asm = new WebAssembly.Instance(module).exports as unknown as EngineExports;
  } catch (cause) {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    const reason = isMissing
      ? `not built: there is no ${fileURLToPath(moduleUrl)}; run 'npm run build'`
      : `failed to load: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new MigrationError("ENGINE_UNAVAILABLE", { engine: "wasm", reason }, cause);
  }
  const abiVersion: unknown = asm.ABI_VERSION?.value;
  if (abiVersion !== ENGINE_ABI_VERSION) {
    const reason = `built for version ${String(abiVersion)}, ${ENGINE_ABI_VERSION} is needed`;
    throw new MigrationError("ENGINE_UNAVAILABLE", { engine: "wasm", reason });
  }
  return asm;
}

function openArena(asm: EngineExports): Arena {
  const { buffer } = asm.memory;
  const regionBytes = asm.REGION_BYTES.value;
  return {
    asm,
    first: new Uint8Array(buffer, asm.FIRST_PTR.value, regionBytes),
    second: new Uint8Array(buffer, asm.SECOND_PTR.value, regionBytes),
    secondWords: new Uint32Array(buffer, asm.SECOND_PTR.value, regionBytes / 4),
    flags: new Uint8Array(buffer, asm.FLAGS_PTR.value, regionBytes / 4),
    key: new Uint8Array(buffer, asm.KEY_PTR.value, asm.KEY_BYTES.value),
  };
}

function bitmapOperations({
  asm,
  first,
  second,
  secondWords,
}: Arena): Pick<PageOperations, "scanBitmap" | "countBitmap" | "orBitmap"> {
  /** So that the pfns of a chunk with every bit set fit into the second region. */
  const scanBytes = secondWords.length / 8;
  return {
    scanBitmap(bitmap, firstPfn, outPfns) {
      let written = 0;
      let firstBit = firstPfn % (scanBytes * 8);
      let at = Math.floor(firstPfn / (scanBytes * 8)) * scanBytes;
      while (at < bitmap.length && written < outPfns.length) {
        const chunk = bitmap.subarray(at, at + scanBytes);
        first.set(chunk);
        const countMax = Math.min(outPfns.length - written, secondWords.length);
        const count = asm.scanBitmap(chunk.length, firstBit, at * 8, countMax);
        if (count > 0) {
          outPfns.set(secondWords.subarray(0, count), written);
        }
        written += count;
        at += scanBytes;
        firstBit = 0;
      }
      return written;
    },
    countBitmap(bitmap) {
      let setBits = 0;
      for (let at = 0; at < bitmap.length; at += first.length) {
        const chunk = bitmap.subarray(at, at + first.length);
        first.set(chunk);
        setBits += asm.countBitmap(chunk.length);
      }
      return setBits;
    },
    orBitmap(into, from) {
      let setBits = 0;
      for (let at = 0; at < into.length; at += first.length) {
        const chunk = into.subarray(at, at + first.length);
        first.set(chunk);
        second.set(from.subarray(at, at + first.length));
        setBits += asm.orBitmap(chunk.length);
        chunk.set(first.subarray(0, chunk.length));
      }
      return setBits;
    },
  };
}

function pageOperations({
  asm,
  first,
  second,
  flags,
}: Arena): Pick<PageOperations, "findZeroPages" | "gatherPages" | "scatterPages" | "comparePages"> {
  const chunkPages = first.length / PAGE_BYTES;
  /** Pages of a chunk that may be zero, and the entries they come from: only these are copied. */
  const candidates = new Uint32Array(chunkPages);
  const places = new Uint32Array(chunkPages);
  return {
    findZeroPages(window, pageIndexes, outIsZero) {
      let zeroPages = 0;
      for (let entry = 0; entry < pageIndexes.length; entry += chunkPages) {
        const chunk = pageIndexes.subarray(entry, entry + chunkPages);
        outIsZero.fill(0, entry, entry + chunk.length);
        let count = 0;
        for (let place = 0; place < chunk.length; place += 1) {
          if (!startsWithData(window, chunk[place]! * PAGE_BYTES)) {
            candidates[count] = chunk[place]!;
            places[count] = entry + place;
            count += 1;
          }
        }
        gatherRuns(window, candidates.subarray(0, count), first);
        zeroPages += asm.findZeroPages(count);
        for (let candidate = 0; candidate < count; candidate += 1) {
          outIsZero[places[candidate]!] = flags[candidate]!;
        }
      }
      return zeroPages;
    },
    gatherPages: gatherRuns,
    scatterPages: scatterRuns,
    comparePages(window, pageIndexes, pages, outDiffers) {
      let differingPages = 0;
      for (let entry = 0; entry < pageIndexes.length; entry += chunkPages) {
        const chunk = pageIndexes.subarray(entry, entry + chunkPages);
        const pageAt = entry * PAGE_BYTES;
        gatherRuns(window, chunk, first);
        second.set(pages.subarray(pageAt, pageAt + chunk.length * PAGE_BYTES));
        differingPages += asm.comparePages(chunk.length);
        outDiffers.set(flags.subarray(0, chunk.length), entry);
      }
      return differingPages;
    },
  };
}

function hashOperations({
  asm,
  first,
  second,
  secondWords,
  key: arenaKey,
}: Arena): Pick<PageOperations, "checksumPages" | "digestPages"> {
  const chunkPages = first.length / PAGE_BYTES;
  return {
    checksumPages(window, pageIndexes, outCrcs) {
      for (let entry = 0; entry < pageIndexes.length; entry += chunkPages) {
        const chunk = pageIndexes.subarray(entry, entry + chunkPages);
        gatherRuns(window, chunk, first);
        asm.checksumPages(chunk.length);
        outCrcs.set(secondWords.subarray(0, chunk.length), entry);
      }
      return pageIndexes.length;
    },
    digestPages(window, pageIndexes, key, outDigests) {
      arenaKey.set(key);
      for (let entry = 0; entry < pageIndexes.length; entry += chunkPages) {
        const chunk = pageIndexes.subarray(entry, entry + chunkPages);
        gatherRuns(window, chunk, first);
        asm.digestPages(chunk.length);
        outDigests.set(second.subarray(0, chunk.length * DIGEST_BYTES), entry * DIGEST_BYTES);
      }
      return pageIndexes.length;
    },
  };
}

function headOperations({
  asm,
  first,
  secondWords,
  flags,
}: Arena): Pick<PageOperations, "encodePageDataHead" | "decodePageDataHead"> {
  const chunkWords = first.length / PFN_WORD_BYTES;
  return {
    encodePageDataHead(pfns, types, out) {
      secondWords.set(pfns);
      flags.set(types.subarray(0, pfns.length));
      const headBytes = asm.encodePageDataHead(pfns.length);
      out.set(first.subarray(0, headBytes));
      return headBytes;
    },
    decodePageDataHead(words, outPfns, outTypes) {
      const wordCount = words.length / PFN_WORD_BYTES;
      for (let entry = 0; entry < wordCount; entry += chunkWords) {
        const chunkCount = Math.min(chunkWords, wordCount - entry);
        const chunkAt = entry * PFN_WORD_BYTES;
        first.set(words.subarray(chunkAt, chunkAt + chunkCount * PFN_WORD_BYTES));
        const validCount = asm.decodePageDataHead(chunkCount);
        outPfns.set(secondWords.subarray(0, validCount), entry);
        outTypes.set(flags.subarray(0, validCount), entry);
        if (validCount < chunkCount) {
          return entry + validCount;
        }
      }
      return wordCount;
    },
  };
}

/** Whether one of a page's first bytes is set: then it is not zero and need not be copied. */
function startsWithData(window: Uint8Array, pageAt: number): boolean {
  for (let at = pageAt; at < pageAt + START_BYTES; at += 1) {
    if (window[at] !== 0) {
      return true;
    }
  }
  return false;
}

function gatherRuns(window: Uint8Array, pageIndexes: Uint32Array, outPages: Uint8Array): number {
  for (let entry = 0; entry < pageIndexes.length; ) {
    const runPages = runLength(pageIndexes, entry);
    const windowAt = pageIndexes[entry]! * PAGE_BYTES;
    const run = window.subarray(windowAt, windowAt + runPages * PAGE_BYTES);
    outPages.set(run, entry * PAGE_BYTES);
    entry += runPages;
  }
  return pageIndexes.length;
}

function scatterRuns(pages: Uint8Array, pageIndexes: Uint32Array, window: Uint8Array): number {
  for (let entry = 0; entry < pageIndexes.length; ) {
    const runPages = runLength(pageIndexes, entry);
    const run = pages.subarray(entry * PAGE_BYTES, (entry + runPages) * PAGE_BYTES);
    window.set(run, pageIndexes[entry]! * PAGE_BYTES);
    entry += runPages;
  }
  return pageIndexes.length;
}

/** How many entries from `entry` on are consecutive pages of the window. */
function runLength(pageIndexes: Uint32Array, entry: number): number {
  let end = entry + 1;
  while (end < pageIndexes.length && pageIndexes[end] === pageIndexes[end - 1]! + 1) {
    end += 1;
  }
  return end - entry;
}
