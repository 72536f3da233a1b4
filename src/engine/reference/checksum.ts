import { LITTLE_ENDIAN, PAGE_BYTES } from "../../base/units.ts";

const POLYNOMIAL_REFLECTED = 0x82f63b78;
const BYTE_VALUES = 256;
const SLICES = 8;

/** `TABLES[k * 256 + b]`: what byte `b` does to the remainder once `k` zero bytes have followed. */
const TABLES = sliceTables();

/** Contract: PageOperations.checksumPages. Twins: asm/checksum.ts, native/engine/checksum.cc. */
export function checksumPages(
  window: Uint8Array,
  pageIndexes: Uint32Array,
  outCrcs: Uint32Array,
): number {
  const words = new DataView(window.buffer, window.byteOffset, window.byteLength);
  for (let entry = 0; entry < pageIndexes.length; entry += 1) {
    outCrcs[entry] = checksumPage(words, pageIndexes[entry]! * PAGE_BYTES);
  }
  return pageIndexes.length;
}

/** Takes eight bytes a step: each goes through the table for the bytes that still follow it. */
function checksumPage(words: DataView, pageAt: number): number {
  let crc = -1;
  for (let at = pageAt; at < pageAt + PAGE_BYTES; at += SLICES) {
    const low = crc ^ words.getUint32(at, LITTLE_ENDIAN);
    const high = words.getUint32(at + 4, LITTLE_ENDIAN);
    crc = slices(low, 4) ^ slices(high, 0);
  }
  return ~crc >>> 0;
}

/** The four bytes of `word`, of which the last is followed by `slicesAfter` bytes. */
function slices(word: number, slicesAfter: number): number {
  const table = slicesAfter * BYTE_VALUES;
  return (
    TABLES[table + 3 * BYTE_VALUES + (word & 0xff)]! ^
    TABLES[table + 2 * BYTE_VALUES + ((word >>> 8) & 0xff)]! ^
    TABLES[table + BYTE_VALUES + ((word >>> 16) & 0xff)]! ^
    TABLES[table + (word >>> 24)]!
  );
}

function sliceTables(): Int32Array {
  const tables = new Int32Array(SLICES * BYTE_VALUES);
  for (let byte = 0; byte < BYTE_VALUES; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL_REFLECTED : 0);
    }
    tables[byte] = crc;
  }
  for (let entry = BYTE_VALUES; entry < tables.length; entry += 1) {
    const before = tables[entry - BYTE_VALUES]!;
    tables[entry] = (before >>> 8) ^ tables[before & 0xff]!;
  }
  return tables;
}
