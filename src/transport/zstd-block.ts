import type { ZstdHistory } from "./zstd-history.ts";
import {
  type CodeKind,
  constantFseTable,
  damaged,
  endOfBits,
  type FseTable,
  type HuffmanTable,
  LITERALS_LENGTH,
  LITERALS_LENGTH_BASES,
  LITERALS_LENGTH_BITS,
  MATCH_LENGTH,
  MATCH_LENGTH_BASES,
  MATCH_LENGTH_BITS,
  OFFSET,
  readFseTable,
  readHuffmanTable,
} from "./zstd-tables.ts";

/** Most octets a block may give, and a compressed block may have. @source RFC 8878, 3.1.1.2.4 */
export const BLOCK_BYTES_MAX = 128 * 1024;

/** Zeros behind a block, so that four octets can be read at its end. */
const SLACK_BYTES = 8;

/** Decodes the compressed blocks of one frame; tables and offsets are kept between them. */
export class ZstdBlockDecoder {
  readonly #history: ZstdHistory;
  readonly #input = new Uint8Array(BLOCK_BYTES_MAX + SLACK_BYTES);
  readonly #inputView = new DataView(this.#input.buffer);
  readonly #literals = new Uint8Array(BLOCK_BYTES_MAX);
  #literalBytes = 0;
  #huffman: HuffmanTable | undefined;
  #literalsLength: FseTable | undefined;
  #offset: FseTable | undefined;
  #matchLength: FseTable | undefined;
  readonly #repeats = Uint32Array.of(1, 4, 8);

  constructor(history: ZstdHistory) {
    this.#history = history;
  }

  /**
   * Decodes one block into the history.
   *
   * @param block at most BLOCK_BYTES_MAX octets.
   * @throws MigrationError STREAM_COMPRESSION
   * @source RFC 8878 section 3.1.1.3
   */
  decode(block: Uint8Array): void {
    this.#input.set(block);
    this.#input.fill(0, block.length, block.length + SLACK_BYTES);
    const sequencesAt = this.#decodeLiterals(block.length);
    this.#decodeSequences(sequencesAt, block.length);
  }

  /** Fills the literals; returns where the sequences start. @source section 3.1.1.3.1 */
  #decodeLiterals(blockBytes: number): number {
    const input = this.#input;
    const type = input[0]! & 3;
    const sizeFormat = (input[0]! >> 2) & 3;
    if (type >= 2) {
      return this.#decodeHuffmanLiterals(type === 3, sizeFormat, blockBytes);
    }
    const headBytes = (sizeFormat & 1) === 0 ? 1 : sizeFormat === 1 ? 2 : 3;
    const head = this.#inputView.getUint32(0, true) & (2 ** (8 * headBytes) - 1);
    const literalBytes = headBytes === 1 ? head >> 3 : head >> 4;
    const endAt = headBytes + (type === 0 ? literalBytes : 1);
    if (literalBytes > BLOCK_BYTES_MAX || endAt > blockBytes) {
      throw damaged("literals longer than their block");
    }
    this.#literalBytes = literalBytes;
    if (type === 0) {
      this.#literals.set(input.subarray(headBytes, endAt));
    } else {
      this.#literals.fill(input[headBytes]!, 0, literalBytes);
    }
    return endAt;
  }

  #decodeHuffmanLiterals(reuse: boolean, sizeFormat: number, blockBytes: number): number {
    const low = this.#inputView.getUint32(0, true);
    const headBytes = sizeFormat < 2 ? 3 : sizeFormat + 2;
    const sizeBits = sizeFormat < 2 ? 10 : sizeFormat === 2 ? 14 : 18;
    const all = low + this.#input[4]! * 2 ** 32;
    const literalBytes = Math.floor(all / 16) % 2 ** sizeBits;
    const streamBytes = Math.floor(all / 2 ** (4 + sizeBits)) % 2 ** sizeBits;
    const endAt = headBytes + streamBytes;
    if (literalBytes > BLOCK_BYTES_MAX || endAt > blockBytes) {
      throw damaged("literals longer than their block");
    }
    this.#literalBytes = literalBytes;
    let at = headBytes;
    if (!reuse) {
      const { table, byteCount } = readHuffmanTable(this.#input.subarray(at, endAt));
      this.#huffman = table;
      at += byteCount;
    }
    const table = this.#huffman;
    if (table === undefined) {
      throw damaged("a Huffman tree that was never sent");
    }
    if (sizeFormat === 0) {
      this.#decodeHuffmanStream(table, at, endAt, 0, literalBytes);
    } else {
      this.#decodeFourStreams(table, at, endAt);
    }
    return endAt;
  }

  #decodeFourStreams(table: HuffmanTable, jumpsAt: number, endAt: number): void {
    const partBytes = (this.#literalBytes + 3) >> 2;
    let at = jumpsAt + 6;
    for (let stream = 0; stream < 4; stream++) {
      const end = stream === 3 ? endAt : at + this.#inputView.getUint16(jumpsAt + stream * 2, true);
      const from = partBytes * stream;
      const to = stream === 3 ? this.#literalBytes : from + partBytes;
      if (at >= end || end > endAt || from > to || to > this.#literalBytes) {
        throw damaged("sizes of Huffman streams");
      }
      this.#decodeHuffmanStream(table, at, end, from, to);
      at = end;
    }
  }

  /** Reads one stream from its end, and must come out exactly at its start. */
  #decodeHuffmanStream(
    table: HuffmanTable,
    start: number,
    end: number,
    from: number,
    to: number,
  ): void {
    const { entries, bitCountMax } = table;
    const view = this.#inputView;
    const literals = this.#literals;
    const mask = entries.length - 1;
    let bits = endOfBits(this.#input.subarray(start, end));
    let out = from;
    while (out < to && bits >= bitCountMax) {
      const low = bits - bitCountMax;
      const entry = entries[(view.getUint32(start + (low >>> 3), true) >>> (low & 7)) & mask]!;
      literals[out++] = entry & 0xff;
      bits -= entry >>> 8;
    }
    while (out < to && bits >= 0) {
      const last = view.getUint32(start, true) & ((1 << bits) - 1);
      const entry = entries[(last << (bitCountMax - bits)) & mask]!;
      literals[out++] = entry & 0xff;
      bits -= entry >>> 8;
    }
    if (out !== to || bits !== 0) {
      throw damaged("length of a Huffman stream");
    }
  }

  /** Runs literals and matches into the history. @source section 3.1.1.3.2 */
  #decodeSequences(start: number, blockBytes: number): void {
    const input = this.#input;
    const first = start < blockBytes ? input[start]! : -1;
    if (first <= 0) {
      if (first < 0 || start + 1 !== blockBytes) {
        throw damaged("number of sequences");
      }
      this.#history.append(this.#literals.subarray(0, this.#literalBytes));
      return;
    }
    let at = start + 1;
    let sequenceCount = first;
    if (first === 255) {
      sequenceCount = this.#inputView.getUint16(at, true) + 0x7f00;
      at += 2;
    } else if (first >= 128) {
      sequenceCount = ((first - 128) << 8) + input[at]!;
      at += 1;
    }
    const modes = input[at]!;
    at += 1;
    if (at > blockBytes || (modes & 3) !== 0) {
      throw damaged("modes of sequences");
    }
    const readTable = (mode: number, kind: CodeKind, last: FseTable | undefined): FseTable => {
      const { table, byteCount } = chooseTable(mode, kind, last, input.subarray(at, blockBytes));
      at += byteCount;
      return table;
    };
    this.#literalsLength = readTable(modes >> 6, LITERALS_LENGTH, this.#literalsLength);
    this.#offset = readTable((modes >> 4) & 3, OFFSET, this.#offset);
    this.#matchLength = readTable((modes >> 2) & 3, MATCH_LENGTH, this.#matchLength);
    this.#runSequences(sequenceCount, at, blockBytes, {
      literalsLength: this.#literalsLength,
      offset: this.#offset,
      matchLength: this.#matchLength,
    });
  }

  #runSequences(
    sequenceCount: number,
    start: number,
    end: number,
    tables: Record<"literalsLength" | "offset" | "matchLength", FseTable>,
  ): void {
    const { literalsLength, offset, matchLength } = tables;
    const history = this.#history;
    const literals = this.#literals;
    const bits = new BackwardBits(
      this.#inputView,
      start,
      endOfBits(this.#input.subarray(start, end)),
    );
    let literalsState = bits.read(literalsLength.accuracyLog);
    let offsetState = bits.read(offset.accuracyLog);
    let matchState = bits.read(matchLength.accuracyLog);
    let literalsDone = 0;
    for (let sequence = 0; sequence < sequenceCount; sequence++) {
      const offsetBits = offset.symbols[offsetState]!;
      const offsetValue = 2 ** offsetBits + bits.read(offsetBits);
      const matchCode = matchLength.symbols[matchState]!;
      const matchBytes = MATCH_LENGTH_BASES[matchCode]! + bits.read(MATCH_LENGTH_BITS[matchCode]!);
      const literalsCode = literalsLength.symbols[literalsState]!;
      const literalBytes =
        LITERALS_LENGTH_BASES[literalsCode]! + bits.read(LITERALS_LENGTH_BITS[literalsCode]!);
      if (sequence < sequenceCount - 1) {
        literalsState = nextState(literalsLength, literalsState, bits);
        matchState = nextState(matchLength, matchState, bits);
        offsetState = nextState(offset, offsetState, bits);
      }
      if (literalsDone + literalBytes > this.#literalBytes || bits.position < 0) {
        throw damaged("a sequence beyond its literals");
      }
      history.appendPart(literals, literalsDone, literalBytes);
      literalsDone += literalBytes;
      history.repeat(this.#resolveOffset(offsetValue, literalBytes), matchBytes);
    }
    if (bits.position !== 0) {
      throw damaged("length of the sequences");
    }
    history.appendPart(literals, literalsDone, this.#literalBytes - literalsDone);
  }

  /** @source section 3.1.1.5 */
  #resolveOffset(value: number, literalBytes: number): number {
    const repeats = this.#repeats;
    const [first, second, third] = [repeats[0]!, repeats[1]!, repeats[2]!];
    if (value > 3) {
      repeats[2] = second;
      repeats[1] = first;
      repeats[0] = value - 3;
      return value - 3;
    }
    const index = value - 1 + (literalBytes === 0 ? 1 : 0);
    if (index === 0) {
      return first;
    }
    const offset = index === 1 ? second : index === 2 ? third : first - 1;
    if (index > 1) {
      repeats[2] = second;
    }
    repeats[1] = first;
    repeats[0] = offset;
    return offset;
  }
}

/** A bit stream read from its end. Below its start come zeros, and `position` is negative. */
class BackwardBits {
  readonly #view: DataView;
  readonly #start: number;
  /** Bits left. */
  position: number;

  constructor(view: DataView, start: number, bitCount: number) {
    this.#view = view;
    this.#start = start;
    this.position = bitCount;
  }

  /** Reads up to 31 bits. */
  read(bitCount: number): number {
    if (bitCount > 24) {
      const high = this.read(bitCount - 16);
      return high * 0x10000 + this.read(16);
    }
    const at = this.position - bitCount;
    this.position = at;
    if (at < 0) {
      return 0;
    }
    const word = this.#view.getUint32(this.#start + (at >>> 3), true);
    return (word >>> (at & 7)) & ((1 << bitCount) - 1);
  }
}

function nextState(table: FseTable, state: number, bits: BackwardBits): number {
  return table.baselines[state]! + bits.read(table.bitCounts[state]!);
}

function chooseTable(
  mode: number,
  kind: CodeKind,
  last: FseTable | undefined,
  bytes: Uint8Array,
): { readonly table: FseTable; readonly byteCount: number } {
  switch (mode) {
    case 0:
      return { table: kind.predefined, byteCount: 0 };
    case 1: {
      const symbol = bytes[0];
      if (symbol === undefined || symbol > kind.symbolMax) {
        throw damaged("a code of sequences");
      }
      return { table: constantFseTable(symbol), byteCount: 1 };
    }
    case 2:
      return readFseTable(bytes, kind);
    default:
      if (last === undefined) {
        throw damaged("a table that was never sent");
      }
      return { table: last, byteCount: 0 };
  }
}
