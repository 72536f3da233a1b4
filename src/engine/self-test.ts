import { LITTLE_ENDIAN, PAGE_BYTES } from "../base/units.ts";
import { DIGEST_BYTES, DIGEST_KEY_BYTES, type PageEngine } from "./types.ts";

const WINDOW_PAGES = 4;

/**
 * Runs every operation on golden vectors: the gate an engine passes before it is chosen.
 *
 * Takes well under a millisecond. The vectors are written down here, not computed by an engine.
 *
 * @returns what went wrong, or `undefined` where nothing did.
 */
export function findEngineFault(engine: PageEngine): string | undefined {
  for (const [operation, isRight] of SELF_TESTS) {
    try {
      if (!isRight(engine)) {
        return `${operation} gives wrong results`;
      }
    } catch (cause) {
      return `${operation} throws: ${cause instanceof Error ? cause.message : String(cause)}`;
    }
  }
  return undefined;
}

const SELF_TESTS: readonly (readonly [string, (engine: PageEngine) => boolean])[] = [
  ["scanBitmap", scansBitmap],
  ["countBitmap", (engine) => engine.countBitmap(goldenBitmap()) === 5],
  ["orBitmap", mergesBitmaps],
  ["findZeroPages", findsZeroPages],
  ["gatherPages", gathersPages],
  ["scatterPages", scattersPages],
  ["comparePages", comparesPages],
  ["checksumPages", checksumsPages],
  ["digestPages", digestsPages],
  ["encodePageDataHead", encodesHead],
  ["decodePageDataHead", decodesHead],
];

/** 1152 bits, of which 0, 63, 64, 700 and 1151 are set. */
function goldenBitmap(): Uint8Array {
  const bitmap = new Uint8Array(144);
  bitmap[0] = 0x01;
  bitmap[7] = 0x80;
  bitmap[8] = 0x01;
  bitmap[87] = 0x10;
  bitmap[143] = 0x80;
  return bitmap;
}

/** Page 0 is zero, 1 counts 0 to 255 over and over, 2 is zero but for its last byte, 3 all ones. */
function goldenWindow(): Uint8Array {
  const window = new Uint8Array(WINDOW_PAGES * PAGE_BYTES);
  for (let at = 0; at < PAGE_BYTES; at += 1) {
    window[PAGE_BYTES + at] = at;
  }
  window[3 * PAGE_BYTES - 1] = 1;
  window.fill(0xff, 3 * PAGE_BYTES);
  return window;
}

function scansBitmap(engine: PageEngine): boolean {
  const pfns = new Uint32Array(6);
  const all = engine.scanBitmap(goldenBitmap(), 0, pfns);
  const isAllRight = all === 5 && isEqual(pfns, [0, 63, 64, 700, 1151, 0]);
  const some = engine.scanBitmap(goldenBitmap(), 64, pfns.subarray(0, 2));
  return isAllRight && some === 2 && isEqual(pfns, [64, 700, 64, 700, 1151, 0]);
}

function mergesBitmaps(engine: PageEngine): boolean {
  const into = goldenBitmap();
  const from = new Uint8Array(144);
  from[0] = 0x03;
  from[143] = 0x40;
  const setBits = engine.orBitmap(into, from);
  return setBits === 7 && into[0] === 0x03 && into[143] === 0xc0 && into[87] === 0x10;
}

function findsZeroPages(engine: PageEngine): boolean {
  const isZero = new Uint8Array(5).fill(7);
  const zeroPages = engine.findZeroPages(goldenWindow(), Uint32Array.of(3, 0, 2, 0, 1), isZero);
  return zeroPages === 2 && isEqual(isZero, [0, 1, 0, 1, 0]);
}

function gathersPages(engine: PageEngine): boolean {
  const pages = new Uint8Array(2 * PAGE_BYTES);
  const pageCount = engine.gatherPages(goldenWindow(), Uint32Array.of(3, 1), pages);
  const isFirstRight = pages.subarray(0, PAGE_BYTES).every((byte) => byte === 0xff);
  return (
    pageCount === 2 && isFirstRight && pages.at(PAGE_BYTES + 77) === 77 && pages.at(-1) === 255
  );
}

function scattersPages(engine: PageEngine): boolean {
  const window = new Uint8Array(WINDOW_PAGES * PAGE_BYTES);
  const pages = goldenWindow().subarray(PAGE_BYTES);
  const pageCount = engine.scatterPages(pages, Uint32Array.of(2, 0, 2), window);
  const isLastRight = window.subarray(2 * PAGE_BYTES, 3 * PAGE_BYTES).every((byte) => byte === 255);
  return pageCount === 3 && isLastRight && window[PAGE_BYTES - 1] === 1 && window[PAGE_BYTES] === 0;
}

function comparesPages(engine: PageEngine): boolean {
  const differs = new Uint8Array(WINDOW_PAGES).fill(7);
  const pages = goldenWindow();
  pages[3 * PAGE_BYTES - 1] = 2;
  const pageIndexes = Uint32Array.of(0, 1, 2, 0);
  const differing = engine.comparePages(goldenWindow(), pageIndexes, pages, differs);
  return differing === 2 && isEqual(differs, [0, 0, 1, 1]);
}

/** The values come from a bit-by-bit CRC32C, which test/engine/checksum.test.ts repeats. */
function checksumsPages(engine: PageEngine): boolean {
  const crcs = new Uint32Array(WINDOW_PAGES);
  const pageCount = engine.checksumPages(goldenWindow(), Uint32Array.of(0, 1, 2, 3), crcs);
  return pageCount === 4 && isEqual(crcs, [0x98f94189, 0x9c71fe32, 0x6a92c28a, 0x25c1fe13]);
}

/** The values come from NH word by word, which test/engine/digest.test.ts repeats. */
function digestsPages(engine: PageEngine): boolean {
  const key = Uint8Array.from({ length: DIGEST_KEY_BYTES }, (_, at) => at * 7 + (at >> 8));
  const digests = new Uint8Array(2 * DIGEST_BYTES);
  const pageCount = engine.digestPages(goldenWindow(), Uint32Array.of(1, 3), key, digests);
  const view = new DataView(digests.buffer);
  const isRight = GOLDEN_DIGESTS.every(
    (hash, at) => view.getBigUint64(8 * at, LITTLE_ENDIAN) === hash,
  );
  return pageCount === 2 && isRight;
}

const GOLDEN_DIGESTS: readonly bigint[] = [
  ...[0xa71dd98701ee1f00n, 0x6710408b5f10c8e0n, 0xe50ef44180bfcb00n, 0x95fb5fd1707504e0n],
  ...[0x80fb3743e0a32f00n, 0xaffa47a232249f20n, 0xc0f76c2d0a106380n, 0x62780c8ad90e50a0n],
];

function encodesHead(engine: PageEngine): boolean {
  const head = new Uint8Array(32);
  const headBytes = engine.encodePageDataHead(
    Uint32Array.of(5, 0x89abcdef),
    Uint8Array.of(0, 14),
    head,
  );
  return headBytes === 32 && isEqual(head, GOLDEN_HEAD);
}

function decodesHead(engine: PageEngine): boolean {
  const words = Uint8Array.from([...GOLDEN_HEAD.slice(16), 0, 0, 0, 0, 0, 0, 0x10, 0]);
  const pfns = new Uint32Array(3);
  const types = new Uint8Array(3);
  const valid = engine.decodePageDataHead(words, pfns, types);
  return valid === 2 && isEqual(pfns, [5, 0x89abcdef, 0]) && isEqual(types, [0, 14, 0]);
}

/** Record type 1; 24 + 4096 bytes of body; two pfns: 5 as NOTAB, 0x89abcdef as XALLOC. */
const GOLDEN_HEAD: readonly number[] = [
  ...[1, 0, 0, 0, 0x18, 0x10, 0, 0],
  ...[2, 0, 0, 0, 0, 0, 0, 0],
  ...[5, 0, 0, 0, 0, 0, 0, 0],
  ...[0xef, 0xcd, 0xab, 0x89, 0, 0, 0, 0xe0],
];

function isEqual(found: Uint8Array | Uint32Array, wanted: readonly number[]): boolean {
  return found.length === wanted.length && wanted.every((value, at) => value === found[at]);
}
