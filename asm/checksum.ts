import { FIRST_PTR, PAGE_BYTES, SECOND_PTR } from "./arena";

const POLYNOMIAL_REFLECTED: u32 = 0x82f63b78;

/**
 * y^209 + y^144 + y^54 + y^39 + y^14 + 1 is a multiple of the polynomial in y = x, and so in every
 * y = x^(2^n), since squaring keeps the terms: in words (y = x^32) and in bytes (y = x^8). None of
 * lower degree has so few terms; trying them all found it.
 */
const DEGREE: usize = 209;
const TERM_1: usize = 144;
const TERM_2: usize = 54;
const TERM_3: usize = 39;
const TERM_4: usize = 14;

/** Worked out side by side: no more units than lie between the first two terms. */
const BLOCK_BYTES: usize = 64;

/** What is left of a page divided in words, and of that divided in bytes: whole blocks. */
const WORDS_REST_BYTES: usize = 896;
const BYTES_REST_BYTES: usize = 256;
const WORDS_REST_PTR: usize = memory.data(896, 64);
const BYTES_REST_PTR: usize = memory.data(256, 64);

/** Quotients, as many zeros before them as a divisor's degree is long, and zeros behind them. */
const WORDS_QUOTIENT_PTR: usize = memory.data(209 * 4 + 4096, 64);
const BYTES_QUOTIENT_PTR: usize = memory.data(209 + 896, 64);

const SLICES: usize = 16;
const TABLE_BYTES: usize = 256 * sizeof<u32>();
const TABLES_PTR: usize = memory.data(16 * 256 * 4, 64);

fillTables();

/**
 * Writes the CRC32C of each page of the first region to the second, one word a page. Changes the
 * first region.
 *
 * There is no carry-less multiplication here, so pages are first divided by a multiple of the
 * polynomial that has few terms: five exclusive ors a vector take away what tables would take
 * byte by byte. Only the rest goes through tables.
 *
 * Contract: PageOperations.checksumPages. Twins: src/engine/reference/checksum.ts,
 * native/engine/checksum.cc.
 */
export function checksumPages(pageCount: u32): u32 {
  for (let page: u32 = 0; page < pageCount; page += 1) {
    const pagePtr = FIRST_PTR + page * PAGE_BYTES;
    store<u32>(pagePtr, ~load<u32>(pagePtr));
    divideByWords(pagePtr);
    divideByBytes();
    store<u32>(SECOND_PTR + page * sizeof<u32>(), ~remainder());
  }
  return pageCount;
}

function divideByWords(pagePtr: usize): void {
  divide<u32>(pagePtr, PAGE_BYTES, WORDS_QUOTIENT_PTR, WORDS_REST_PTR, WORDS_REST_BYTES);
}

function divideByBytes(): void {
  divide<u8>(
    WORDS_REST_PTR,
    WORDS_REST_BYTES,
    BYTES_QUOTIENT_PTR,
    BYTES_REST_PTR,
    BYTES_REST_BYTES,
  );
}

/**
 * Divides `bytes` bytes by the multiple of the polynomial in y = one `Unit` of message; what is
 * left are `restBytes` bytes. The quotient is seen from as far before it as the divisor is long.
 */
// @ts-ignore: decorator
@inline
function divide<Unit>(
  fromPtr: usize,
  bytes: usize,
  quotientPtr: usize,
  restPtr: usize,
  restBytes: usize,
): void {
  const quotientBytes = bytes - restBytes;
  for (let at: usize = 0; at < quotientBytes; at += BLOCK_BYTES) {
    const ptr = quotientPtr + at;
    divideBlock<Unit>(fromPtr + at, ptr, ptr + DEGREE * sizeof<Unit>());
  }
  for (let at: usize = quotientBytes; at < bytes; at += BLOCK_BYTES) {
    divideBlock<Unit>(fromPtr + at, quotientPtr + at, restPtr + at - quotientBytes);
  }
}

// @ts-ignore: decorator
@inline
function divideBlock<Unit>(fromPtr: usize, quotientPtr: usize, outPtr: usize): void {
  divideVector<Unit>(fromPtr, quotientPtr, outPtr);
  divideVector<Unit>(fromPtr + 16, quotientPtr + 16, outPtr + 16);
  divideVector<Unit>(fromPtr + 32, quotientPtr + 32, outPtr + 32);
  divideVector<Unit>(fromPtr + 48, quotientPtr + 48, outPtr + 48);
}

/** What the message has there, and what the quotient so far, times the multiple, adds to it. */
// @ts-ignore: decorator
@inline
function divideVector<Unit>(fromPtr: usize, quotientPtr: usize, outPtr: usize): void {
  const own = v128.xor(v128.load(fromPtr), v128.load(quotientPtr));
  const far = v128.xor(
    v128.load(quotientPtr, TERM_4 * sizeof<Unit>()),
    v128.load(quotientPtr, TERM_3 * sizeof<Unit>()),
  );
  const near = v128.xor(
    v128.load(quotientPtr, TERM_2 * sizeof<Unit>()),
    v128.load(quotientPtr, TERM_1 * sizeof<Unit>()),
  );
  v128.store(outPtr, v128.xor(own, v128.xor(far, near)));
}

/** What the polynomial leaves of the bytes' rest: sixteen bytes a step. */
function remainder(): u32 {
  const endPtr = BYTES_REST_PTR + BYTES_REST_BYTES;
  let crc: u32 = 0;
  for (let ptr = BYTES_REST_PTR; ptr < endPtr; ptr += SLICES) {
    const first = load<u32>(ptr) ^ crc;
    crc = slices(first, 12) ^ slices(load<u32>(ptr, 4), 8);
    crc ^= slices(load<u32>(ptr, 8), 4) ^ slices(load<u32>(ptr, 12), 0);
  }
  return crc;
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

/** Table k: what each byte leaves when k more bytes follow it. */
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
