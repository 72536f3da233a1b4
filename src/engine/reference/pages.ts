import { LITTLE_ENDIAN, PAGE_BYTES } from "../../base/units.ts";

const WORD_BYTES = 4;

/** Contract: PageOperations.findZeroPages. Twins: asm/pages.ts, native/engine/pages.cc. */
export function findZeroPages(
  window: Uint8Array,
  pageIndexes: Uint32Array,
  outIsZero: Uint8Array,
): number {
  const words = viewOf(window);
  let zeroPages = 0;
  for (let entry = 0; entry < pageIndexes.length; entry += 1) {
    const isZero = isZeroPage(words, pageIndexes[entry]! * PAGE_BYTES);
    outIsZero[entry] = isZero ? 1 : 0;
    zeroPages += isZero ? 1 : 0;
  }
  return zeroPages;
}

/** Contract: PageOperations.gatherPages. Twins: src/engine/wasm.ts, native/engine/pages.cc. */
export function gatherPages(
  window: Uint8Array,
  pageIndexes: Uint32Array,
  outPages: Uint8Array,
): number {
  const from = viewOf(window);
  const to = viewOf(outPages);
  for (let entry = 0; entry < pageIndexes.length; entry += 1) {
    copyPage({ from, fromAt: pageIndexes[entry]! * PAGE_BYTES, to, toAt: entry * PAGE_BYTES });
  }
  return pageIndexes.length;
}

/** Contract: PageOperations.scatterPages. Twins: src/engine/wasm.ts, native/engine/pages.cc. */
export function scatterPages(
  pages: Uint8Array,
  pageIndexes: Uint32Array,
  window: Uint8Array,
): number {
  const from = viewOf(pages);
  const to = viewOf(window);
  for (let entry = 0; entry < pageIndexes.length; entry += 1) {
    copyPage({ from, fromAt: entry * PAGE_BYTES, to, toAt: pageIndexes[entry]! * PAGE_BYTES });
  }
  return pageIndexes.length;
}

/** Contract: PageOperations.comparePages. Twins: asm/pages.ts, native/engine/pages.cc. */
export function comparePages(
  window: Uint8Array,
  pageIndexes: Uint32Array,
  pages: Uint8Array,
  outDiffers: Uint8Array,
): number {
  const ours = viewOf(window);
  const theirs = viewOf(pages);
  let differingPages = 0;
  for (let entry = 0; entry < pageIndexes.length; entry += 1) {
    const oursAt = pageIndexes[entry]! * PAGE_BYTES;
    const differs = pageDiffers({ ours, oursAt, theirs, theirsAt: entry * PAGE_BYTES });
    outDiffers[entry] = differs ? 1 : 0;
    differingPages += differs ? 1 : 0;
  }
  return differingPages;
}

function isZeroPage(words: DataView, pageAt: number): boolean {
  for (let at = pageAt; at < pageAt + PAGE_BYTES; at += WORD_BYTES) {
    if (words.getUint32(at, LITTLE_ENDIAN) !== 0) {
      return false;
    }
  }
  return true;
}

interface Copy {
  readonly from: DataView;
  readonly fromAt: number;
  readonly to: DataView;
  readonly toAt: number;
}

function copyPage({ from, fromAt, to, toAt }: Copy): void {
  for (let at = 0; at < PAGE_BYTES; at += WORD_BYTES) {
    to.setUint32(toAt + at, from.getUint32(fromAt + at, LITTLE_ENDIAN), LITTLE_ENDIAN);
  }
}

interface Comparison {
  readonly ours: DataView;
  readonly oursAt: number;
  readonly theirs: DataView;
  readonly theirsAt: number;
}

function pageDiffers({ ours, oursAt, theirs, theirsAt }: Comparison): boolean {
  for (let at = 0; at < PAGE_BYTES; at += WORD_BYTES) {
    const ourWord = ours.getUint32(oursAt + at, LITTLE_ENDIAN);
    if (ourWord !== theirs.getUint32(theirsAt + at, LITTLE_ENDIAN)) {
      return true;
    }
  }
  return false;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
