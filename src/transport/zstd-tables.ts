import { MigrationError } from "../base/errors.ts";

/** An FSE decoding table: entry i belongs to state i. */
export interface FseTable {
  readonly accuracyLog: number;
  readonly symbols: Uint8Array;
  /** Bits to read for the next state, and what to add to them. */
  readonly bitCounts: Uint8Array;
  readonly baselines: Uint16Array;
}

/** A Huffman decoding table: entry i belongs to the codes that start with the bits of i. */
export interface HuffmanTable {
  readonly bitCountMax: number;
  /** Symbol in bits 7-0, code length above. */
  readonly entries: Uint16Array;
}

/** Limits of the three kinds of sequence codes, and their predefined distributions. */
export interface CodeKind {
  readonly accuracyLogMax: number;
  readonly symbolMax: number;
  readonly predefined: FseTable;
}

/** Longest Huffman code of a literal. */
const HUFFMAN_BITS_MAX = 11;
const HUFFMAN_SYMBOLS_MAX = 256;
const WEIGHT_ACCURACY_LOG_MAX = 6;
const WEIGHT_MAX = 12;

/** What a literals-length code stands for. @source RFC 8878 section 3.1.1.3.2.1.1 */
export const LITERALS_LENGTH_BASES = Uint32Array.of(
  ...Array.from({ length: 16 }, (_, code) => code),
  ...[16, 18, 20, 22, 24, 28, 32, 40, 48, 64, 128, 256, 512, 1024, 2048, 4096, 8192],
  ...[16384, 32768, 65536],
);
export const LITERALS_LENGTH_BITS = Uint8Array.of(
  ...Array.from({ length: 16 }, () => 0),
  ...[1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
);

/** What a match-length code stands for. @source RFC 8878 section 3.1.1.3.2.1.1 */
export const MATCH_LENGTH_BASES = Uint32Array.of(
  ...Array.from({ length: 32 }, (_, code) => code + 3),
  ...[35, 37, 39, 41, 43, 47, 51, 59, 67, 83, 99, 131, 259, 515, 1027, 2051, 4099, 8195],
  ...[16387, 32771, 65539],
);
export const MATCH_LENGTH_BITS = Uint8Array.of(
  ...Array.from({ length: 32 }, () => 0),
  ...[1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
);

/** @source RFC 8878 section 3.1.1.3.2.2 */
export const LITERALS_LENGTH: CodeKind = {
  accuracyLogMax: 9,
  symbolMax: 35,
  predefined: buildFseTable(6, [
    ...[4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1],
    ...[1, 1, 1, 1, -1, -1, -1, -1],
  ]),
};
export const MATCH_LENGTH: CodeKind = {
  accuracyLogMax: 9,
  symbolMax: 52,
  predefined: buildFseTable(6, [
    ...[1, 4, 3, 2, 2, 2, 2, 2, 2],
    ...Array.from({ length: 37 }, () => 1),
    ...[-1, -1, -1, -1, -1, -1, -1],
  ]),
};
export const OFFSET: CodeKind = {
  accuracyLogMax: 8,
  symbolMax: 31,
  predefined: buildFseTable(5, [
    ...[1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    ...[-1, -1, -1, -1, -1],
  ]),
};

/** The error of damaged compressed data; the frame reader adds where. */
export function damaged(problem: string): MigrationError {
  return new MigrationError("STREAM_COMPRESSION", { problem });
}

/**
 * Builds a decoding table from normalised probabilities, -1 being "less than one".
 *
 * @source RFC 8878 section 4.1.1
 */
export function buildFseTable(accuracyLog: number, probabilities: readonly number[]): FseTable {
  const size = 1 << accuracyLog;
  const symbols = new Uint8Array(size);
  const nextStates = new Uint16Array(probabilities.length);
  let high = size;
  for (const [symbol, probability] of probabilities.entries()) {
    if (probability === -1) {
      symbols[--high] = symbol;
      nextStates[symbol] = 1;
    } else {
      nextStates[symbol] = probability;
    }
  }
  spreadSymbols(symbols, high, probabilities);
  const bitCounts = new Uint8Array(size);
  const baselines = new Uint16Array(size);
  for (let state = 0; state < size; state++) {
    const symbol = symbols[state]!;
    const next = nextStates[symbol]!;
    nextStates[symbol] = next + 1;
    const bitCount = accuracyLog - (31 - Math.clz32(next));
    bitCounts[state] = bitCount;
    baselines[state] = (next << bitCount) - size;
  }
  return { accuracyLog, symbols, bitCounts, baselines };
}

function spreadSymbols(symbols: Uint8Array, high: number, probabilities: readonly number[]): void {
  const size = symbols.length;
  const step = (size >> 1) + (size >> 3) + 3;
  let position = 0;
  for (const [symbol, probability] of probabilities.entries()) {
    for (let count = 0; count < probability; count++) {
      symbols[position] = symbol;
      do {
        position = (position + step) & (size - 1);
      } while (position >= high);
    }
  }
}

/** A table with one state, for codes that are all the same. */
export function constantFseTable(symbol: number): FseTable {
  return {
    accuracyLog: 0,
    symbols: Uint8Array.of(symbol),
    bitCounts: new Uint8Array(1),
    baselines: new Uint16Array(1),
  };
}

/**
 * Reads the description of an FSE table.
 *
 * @returns the table and where the description ends.
 * @throws MigrationError STREAM_COMPRESSION
 * @source RFC 8878 section 4.1.1
 */
export function readFseTable(
  bytes: Uint8Array,
  limits: { readonly accuracyLogMax: number; readonly symbolMax: number },
): { readonly table: FseTable; readonly byteCount: number } {
  let bitPosition = 0;
  const peek = (bitCount: number): number => {
    let value = 0;
    for (let bit = 0; bit < bitCount; bit++) {
      const at = bitPosition + bit;
      value |= (((bytes[at >> 3] ?? 0) >> (at & 7)) & 1) << bit;
    }
    return value;
  };
  const accuracyLog = peek(4) + 5;
  bitPosition += 4;
  if (accuracyLog > limits.accuracyLogMax) {
    throw damaged("accuracy log of a table");
  }
  const probabilities: number[] = [];
  let remaining = 1 << accuracyLog;
  while (remaining > 0 && probabilities.length <= limits.symbolMax) {
    const bitCount = 32 - Math.clz32(remaining + 1);
    const lowerMask = (1 << (bitCount - 1)) - 1;
    const threshold = (1 << bitCount) - 1 - (remaining + 1);
    let value = peek(bitCount);
    if ((value & lowerMask) < threshold) {
      value &= lowerMask;
      bitPosition += bitCount - 1;
    } else {
      value -= value > lowerMask ? threshold : 0;
      bitPosition += bitCount;
    }
    const probability = value - 1;
    remaining -= Math.abs(probability);
    probabilities.push(probability);
    for (let repeats = probability === 0 ? 3 : 0; repeats === 3; ) {
      repeats = peek(2);
      bitPosition += 2;
      probabilities.push(...Array.from({ length: repeats }, () => 0));
    }
  }
  const byteCount = (bitPosition + 7) >> 3;
  const isWhole = remaining === 0 && probabilities.length <= limits.symbolMax + 1;
  if (!isWhole || byteCount > bytes.length) {
    throw damaged("probabilities of a table");
  }
  return { table: buildFseTable(accuracyLog, probabilities), byteCount };
}

/**
 * Reads the description of a Huffman tree.
 *
 * @returns the table and where the description ends.
 * @throws MigrationError STREAM_COMPRESSION
 * @source RFC 8878 section 4.2.1
 */
export function readHuffmanTable(bytes: Uint8Array): {
  readonly table: HuffmanTable;
  readonly byteCount: number;
} {
  const head = bytes[0];
  if (head === undefined) {
    throw damaged("description of a Huffman tree");
  }
  if (head >= 128) {
    const weightCount = head - 127;
    const byteCount = 1 + ((weightCount + 1) >> 1);
    if (byteCount > bytes.length) {
      throw damaged("description of a Huffman tree");
    }
    const weights = Array.from({ length: weightCount }, (_, index) => {
      const pair = bytes[1 + (index >> 1)]!;
      return index % 2 === 0 ? pair >> 4 : pair & 15;
    });
    return { table: buildHuffmanTable(weights), byteCount };
  }
  if (1 + head > bytes.length) {
    throw damaged("description of a Huffman tree");
  }
  const weights = readWeights(bytes.subarray(1, 1 + head));
  return { table: buildHuffmanTable(weights), byteCount: 1 + head };
}

/** Weights compressed with FSE: two states take turns on one bit stream, read from its end. */
function readWeights(bytes: Uint8Array): number[] {
  const limits = { accuracyLogMax: WEIGHT_ACCURACY_LOG_MAX, symbolMax: WEIGHT_MAX };
  const { table, byteCount } = readFseTable(bytes, limits);
  const bits = bytes.subarray(byteCount);
  let bitPosition = endOfBits(bits);
  const read = (bitCount: number): number => {
    let value = 0;
    for (let bit = 0; bit < bitCount; bit++) {
      bitPosition--;
      const isSet = bitPosition >= 0 && ((bits[bitPosition >> 3]! >> (bitPosition & 7)) & 1) === 1;
      value = value * 2 + (isSet ? 1 : 0);
    }
    return value;
  };
  const weights: number[] = [];
  let state = read(table.accuracyLog);
  let other = read(table.accuracyLog);
  for (;;) {
    weights.push(table.symbols[state]!);
    const next = table.baselines[state]! + read(table.bitCounts[state]!);
    if (bitPosition < 0) {
      weights.push(table.symbols[other]!);
      break;
    }
    state = other;
    other = next;
    if (weights.length >= HUFFMAN_SYMBOLS_MAX) {
      throw damaged("weights of a Huffman tree");
    }
  }
  return weights;
}

/** The last weight is not sent: it makes the sum a power of two. */
function buildHuffmanTable(sent: readonly number[]): HuffmanTable {
  const sum = sent.reduce((total, weight) => total + (weight === 0 ? 0 : 2 ** (weight - 1)), 0);
  const bitCountMax = sum === 0 ? 0 : 32 - Math.clz32(sum);
  const left = 2 ** bitCountMax - sum;
  const isPowerOfTwo = left > 0 && (left & (left - 1)) === 0;
  const isSound = sum > 0 && bitCountMax <= HUFFMAN_BITS_MAX && isPowerOfTwo;
  if (!isSound || sent.length >= HUFFMAN_SYMBOLS_MAX) {
    throw damaged("weights of a Huffman tree");
  }
  const weights = [...sent, 32 - Math.clz32(left)];
  const entries = new Uint16Array(2 ** bitCountMax);
  let position = 0;
  for (let weight = 1; weight <= bitCountMax; weight++) {
    for (const [symbol, own] of weights.entries()) {
      if (own === weight) {
        const length = 2 ** (weight - 1);
        const entry = symbol | ((bitCountMax + 1 - weight) << 8);
        entries.fill(entry, position, position + length);
        position += length;
      }
    }
  }
  return { bitCountMax, entries };
}

/**
 * Where a backward bit stream starts: below the highest set bit of its last octet.
 *
 * @throws MigrationError STREAM_COMPRESSION
 */
export function endOfBits(bits: Uint8Array): number {
  const last = bits[bits.length - 1] ?? 0;
  if (last === 0) {
    throw damaged("a bit stream without an end");
  }
  return bits.length * 8 - (Math.clz32(last) - 24) - 1;
}
