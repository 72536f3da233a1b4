import { join } from "../../support/bytes.ts";
import type { Random } from "../../support/splitmix32.ts";

/** Numbers at which lengths and counts tend to go wrong. */
const EXTREMES = [0, 1, 7, 8, 9, 0xff, 0x1000, 0x7fff_ffff, 0x8000_0000, 0xffff_fff8, 0xffff_ffff];

/** Octets of a record's or chunk's head, and what most fields are multiples of. */
const HEAD_BYTES = 8;
const FIELD_BYTES = 4;

const MUTATIONS = [
  flipBit,
  setField,
  setField,
  changeField,
  setOctets,
  cut,
  remove,
  repeat,
  swap,
  splice,
] as const;

/**
 * Damages an input one to four times: bits, fields, lengths by a little, pieces left out, repeated,
 * exchanged, or put in from `other`.
 */
export function mutate(sound: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  let bytes: Uint8Array = sound.slice();
  for (let times = 1 + random.below(4); times > 0 && bytes.length > 0; times--) {
    bytes = MUTATIONS[random.below(MUTATIONS.length)]!(bytes, random, other);
  }
  return bytes;
}

function flipBit(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.below(bytes.length);
  bytes[at] = bytes[at]! ^ (1 << random.below(8));
  return bytes;
}

function setField(bytes: Uint8Array, random: Random): Uint8Array {
  return withField(bytes, random, () => EXTREMES[random.below(EXTREMES.length)]!);
}

/** Counts that are off by one or by a word lead further than those that are out of all bounds. */
function changeField(bytes: Uint8Array, random: Random): Uint8Array {
  const by = [-HEAD_BYTES, -1, 1, HEAD_BYTES][random.below(4)]!;
  return withField(bytes, random, (value) => (value + by) >>> 0);
}

function withField(
  bytes: Uint8Array,
  random: Random,
  change: (value: number) => number,
): Uint8Array {
  const at = FIELD_BYTES * random.below(Math.floor(bytes.length / FIELD_BYTES));
  if (at + FIELD_BYTES <= bytes.length) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const isLittle = random.below(4) !== 0;
    view.setUint32(at, change(view.getUint32(at, isLittle)), isLittle);
  }
  return bytes;
}

function setOctets(bytes: Uint8Array, random: Random): Uint8Array {
  const [start, end] = piece(bytes, random);
  return bytes.fill(random.below(256), start, end);
}

function cut(bytes: Uint8Array, random: Random): Uint8Array {
  return bytes.slice(0, random.below(bytes.length));
}

function remove(bytes: Uint8Array, random: Random): Uint8Array {
  const [start, end] = piece(bytes, random);
  return join(bytes.subarray(0, start), bytes.subarray(end));
}

function repeat(bytes: Uint8Array, random: Random): Uint8Array {
  const [start, end] = piece(bytes, random);
  return join(bytes.subarray(0, end), bytes.subarray(start));
}

/** Exchanges a piece with the one behind it: records in another order. */
function swap(bytes: Uint8Array, random: Random): Uint8Array {
  const [start, end] = piece(bytes, random);
  const next = Math.min(bytes.length, end + (end - start));
  const parts = [bytes.subarray(0, start), bytes.subarray(end, next), bytes.subarray(start, end)];
  return join(...parts, bytes.subarray(next));
}

function splice(bytes: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  const [start, end] = piece(other, random);
  const at = HEAD_BYTES * random.below(1 + Math.floor(bytes.length / HEAD_BYTES));
  return join(bytes.subarray(0, at), other.subarray(start, end), bytes.subarray(at));
}

/** Short ones mostly, at multiples of what heads are aligned to. */
function piece(bytes: Uint8Array, random: Random): readonly [start: number, end: number] {
  const start = HEAD_BYTES * random.below(Math.ceil(bytes.length / HEAD_BYTES) || 1);
  const words = 1 + random.below(random.below(4) === 0 ? 64 : 6);
  return [Math.min(start, bytes.length), Math.min(bytes.length, start + HEAD_BYTES * words)];
}
