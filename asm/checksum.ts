import { FIRST_PTR, PAGE_BYTES, SECOND_PTR } from "./arena";

const POLYNOMIAL_REFLECTED: u32 = 0x82f63b78;
const SLICES: usize = 16;
const TABLE_BYTES: usize = 256 * sizeof<u32>();
const TABLES_PTR: usize = memory.data(16 * 256 * 4, 64);

fillTables();

/**
 * Writes the CRC32C of each page of the first region to the second, one word a page.
 *
 * Contract: PageOperations.checksumPages. Twins: src/engine/reference/checksum.ts,
 * native/engine/checksum.cc.
 */
export function checksumPages(pageCount: u32): u32 {
  for (let page: u32 = 0; page < pageCount; page += 1) {
    store<u32>(SECOND_PTR + page * sizeof<u32>(), checksumPage(FIRST_PTR + page * PAGE_BYTES));
  }
  return pageCount;
}

/** Takes sixteen bytes a step: each goes through the table for the bytes that still follow it. */
function checksumPage(pagePtr: usize): u32 {
  const endPtr = pagePtr + PAGE_BYTES;
  let crc: u32 = 0xffffffff;
  for (let ptr = pagePtr; ptr < endPtr; ptr += SLICES) {
    const first = load<u32>(ptr) ^ crc;
    crc = slices(first, 12) ^ slices(load<u32>(ptr, 4), 8);
    crc ^= slices(load<u32>(ptr, 8), 4) ^ slices(load<u32>(ptr, 12), 0);
  }
  return ~crc;
}

/** The four bytes of `word`, of which the last is followed by `slicesAfter` bytes. */
// @ts-ignore: decorator
@inline
function slices(word: u32, slicesAfter: usize): u32 {
  const tablePtr = TABLES_PTR + slicesAfter * TABLE_BYTES;
  return (
    load<u32>(tablePtr + 3 * TABLE_BYTES + ((word & 0xff) << 2)) ^
    load<u32>(tablePtr + 2 * TABLE_BYTES + (((word >>> 8) & 0xff) << 2)) ^
    load<u32>(tablePtr + TABLE_BYTES + (((word >>> 16) & 0xff) << 2)) ^
    load<u32>(tablePtr + ((word >>> 24) << 2))
  );
}

function fillTables(): void {
  for (let byte: u32 = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc >>> 1) ^ (POLYNOMIAL_REFLECTED & (0 - (crc & 1)));
    }
    store<u32>(TABLES_PTR + byte * sizeof<u32>(), crc);
  }
  const endPtr = TABLES_PTR + SLICES * TABLE_BYTES;
  for (let ptr = TABLES_PTR + TABLE_BYTES; ptr < endPtr; ptr += sizeof<u32>()) {
    const before = load<u32>(ptr - TABLE_BYTES);
    store<u32>(ptr, (before >>> 8) ^ load<u32>(TABLES_PTR + ((before & 0xff) << 2)));
  }
}
