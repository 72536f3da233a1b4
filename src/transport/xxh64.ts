/**
 * XXH64 with seed 0, of which Zstandard frames carry the low 32 bits.
 *
 * A 64-bit word is two 32-bit halves, because BigInt is far too slow for whole images.
 *
 * @source RFC 8878 section 3.1.1 "Content_Checksum"; xxHash specification, "XXH64"
 */
export class Xxh64 {
  /** High and low halves of the four accumulators. */
  readonly #lanes = new Int32Array(8);
  readonly #pending = new Uint8Array(STRIPE_BYTES);
  #pendingBytes = 0;
  #totalBytes = 0;

  constructor() {
    set(this.#lanes, 0, add(P1, P2));
    set(this.#lanes, 2, P2);
    set(this.#lanes, 4, [0, 0]);
    set(this.#lanes, 6, add([0, 0], [~P1[0] + (P1[1] === 0 ? 1 : 0), -P1[1] | 0]));
  }

  /** Takes more octets. */
  update(bytes: Uint8Array): void {
    this.#totalBytes += bytes.length;
    let rest = bytes;
    if (this.#pendingBytes > 0) {
      const taken = rest.subarray(0, STRIPE_BYTES - this.#pendingBytes);
      this.#pending.set(taken, this.#pendingBytes);
      this.#pendingBytes += taken.length;
      rest = rest.subarray(taken.length);
      if (this.#pendingBytes < STRIPE_BYTES) {
        return;
      }
      consumeStripes(this.#lanes, this.#pending);
      this.#pendingBytes = 0;
    }
    const wholeBytes = rest.length - (rest.length % STRIPE_BYTES);
    consumeStripes(this.#lanes, rest.subarray(0, wholeBytes));
    this.#pending.set(rest.subarray(wholeBytes));
    this.#pendingBytes = rest.length - wholeBytes;
  }

  /** The hash of everything taken so far. */
  digest(): bigint {
    let hash = this.#totalBytes < STRIPE_BYTES ? P5 : this.#merged();
    hash = add(hash, [Math.floor(this.#totalBytes / 2 ** 32), this.#totalBytes | 0]);
    const view = new DataView(this.#pending.buffer, 0, this.#pendingBytes);
    let at = 0;
    for (; at + 8 <= this.#pendingBytes; at += 8) {
      const word: Word = [view.getInt32(at + 4, true), view.getInt32(at, true)];
      hash = add(multiply(rotate(xor(hash, round([0, 0], word)), 27), P1), P4);
    }
    if (at + 4 <= this.#pendingBytes) {
      hash = xor(hash, multiply([0, view.getInt32(at, true)], P1));
      hash = add(multiply(rotate(hash, 23), P2), P3);
      at += 4;
    }
    for (; at < this.#pendingBytes; at++) {
      hash = multiply(rotate(xor(hash, multiply([0, view.getUint8(at)], P5)), 11), P1);
    }
    hash = multiply(xor(hash, shiftRight(hash, 33)), P2);
    hash = multiply(xor(hash, shiftRight(hash, 29)), P3);
    hash = xor(hash, shiftRight(hash, 32));
    return (BigInt(hash[0] >>> 0) << 32n) | BigInt(hash[1] >>> 0);
  }

  #merged(): Word {
    const lanes = [0, 2, 4, 6].map((at): Word => [this.#lanes[at]!, this.#lanes[at + 1]!]);
    let hash: Word = [0, 0];
    for (const [index, lane] of lanes.entries()) {
      hash = add(hash, rotate(lane, [1, 7, 12, 18][index]!));
    }
    for (const lane of lanes) {
      hash = add(multiply(xor(hash, round([0, 0], lane)), P1), P4);
    }
    return hash;
  }
}

/** High and low half of a 64-bit word. */
type Word = readonly [number, number];

const STRIPE_BYTES = 32;
const P1: Word = [0x9e3779b1 | 0, 0x85ebca87 | 0];
const P2: Word = [0xc2b2ae3d | 0, 0x27d4eb4f | 0];
const P3: Word = [0x165667b1, 0x9e3779f9 | 0];
const P4: Word = [0x85ebca77 | 0, 0xc2b2ae63 | 0];
const P5: Word = [0x27d4eb2f, 0x165667c5];

function set(lanes: Int32Array, at: number, word: Word): void {
  lanes[at] = word[0];
  lanes[at + 1] = word[1];
}

function add(a: Word, b: Word): Word {
  const low = (a[1] >>> 0) + (b[1] >>> 0);
  return [(a[0] + b[0] + (low > 0xffff_ffff ? 1 : 0)) | 0, low | 0];
}

function xor(a: Word, b: Word): Word {
  return [a[0] ^ b[0], a[1] ^ b[1]];
}

/** `bits` is 1 to 31. */
function rotate(a: Word, bits: number): Word {
  return [(a[0] << bits) | (a[1] >>> (32 - bits)), (a[1] << bits) | (a[0] >>> (32 - bits))];
}

/** `bits` is 1 to 63. */
function shiftRight(a: Word, bits: number): Word {
  if (bits >= 32) {
    return [0, a[0] >>> (bits - 32)];
  }
  return [a[0] >>> bits, (a[1] >>> bits) | (a[0] << (32 - bits))];
}

function multiply(a: Word, b: Word): Word {
  return [
    (highOfProduct(a[1], b[1]) + Math.imul(a[0], b[1]) + Math.imul(a[1], b[0])) | 0,
    Math.imul(a[1], b[1]),
  ];
}

/** Bits 63-32 of the product of two unsigned 32-bit numbers. */
function highOfProduct(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const cross = (middle & 0xffff) + aLow * bHigh;
  return aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000);
}

function round(lane: Word, input: Word): Word {
  return multiply(rotate(add(lane, multiply(input, P2)), 31), P1);
}

/** The hot loop: `round` of four lanes, written out on halves so that nothing is allocated. */
function consumeStripes(lanes: Int32Array, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let lane = 0; lane < 4; lane++) {
    let high = lanes[lane * 2]!;
    let low = lanes[lane * 2 + 1]!;
    for (let at = lane * 8; at < bytes.length; at += STRIPE_BYTES) {
      const inLow = view.getInt32(at, true);
      const inHigh = view.getInt32(at + 4, true);
      const sumLow = (low >>> 0) + (Math.imul(inLow, P2[1]) >>> 0);
      const productHigh =
        highOfProduct(inLow, P2[1]) + Math.imul(inLow, P2[0]) + Math.imul(inHigh, P2[1]);
      const sumHigh = (high + productHigh + (sumLow > 0xffff_ffff ? 1 : 0)) | 0;
      const turnedHigh = (sumHigh << 31) | ((sumLow | 0) >>> 1);
      const turnedLow = ((sumLow | 0) << 31) | (sumHigh >>> 1);
      high =
        (highOfProduct(turnedLow, P1[1]) +
          Math.imul(turnedLow, P1[0]) +
          Math.imul(turnedHigh, P1[1])) |
        0;
      low = Math.imul(turnedLow, P1[1]);
    }
    lanes[lane * 2] = high;
    lanes[lane * 2 + 1] = low;
  }
}
