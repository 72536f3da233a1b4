/** A seeded generator: equal seeds give equal sequences, on every machine. */
export interface Random {
  /** 32 uniform bits. */
  nextUint32(): number;
  /** A whole number from 0 to `limit` - 1; `limit` from 1 to 2^32. */
  below(limit: number): number;
  /** True with that probability, 0 to 1. */
  chance(probability: number): boolean;
  /** One of `items`, which is not empty. */
  pick<T>(items: readonly T[]): T;
  /** Overwrites all of `bytes`. */
  fill(bytes: Uint8Array): void;
}

const UINT32_COUNT = 2 ** 32;

/**
 * xoshiro128** seeded by splitmix32; a text is hashed first, so that a test can use its own name.
 *
 * @source Blackman and Vigna, "Scrambled linear pseudorandom number generators" (2021)
 */
export function seededRandom(seed: number | string): Random {
  const state = stateOf(typeof seed === "number" ? seed : hashOf(seed));
  const nextUint32 = (): number => step(state);
  const below = (limit: number): number => Math.floor((nextUint32() / UINT32_COUNT) * limit);
  return {
    nextUint32,
    below,
    chance: (probability) => nextUint32() < probability * UINT32_COUNT,
    pick: (items) => items[below(items.length)]!,
    fill(bytes) {
      for (let at = 0; at < bytes.length; at += 1) {
        bytes[at] = nextUint32() >>> 24;
      }
    },
  };
}

function step(state: Uint32Array): number {
  const result = Math.imul(rotateLeft(Math.imul(state[1]!, 5), 7), 9) >>> 0;
  const shifted = state[1]! << 9;
  state[2]! ^= state[0]!;
  state[3]! ^= state[1]!;
  state[1]! ^= state[2]!;
  state[0]! ^= state[3]!;
  state[2]! ^= shifted;
  state[3] = rotateLeft(state[3]!, 11);
  return result;
}

function stateOf(seed: number): Uint32Array {
  let sum = seed | 0;
  return Uint32Array.from({ length: 4 }, () => {
    sum = (sum + 0x9e3779b9) | 0;
    const once = Math.imul(sum ^ (sum >>> 16), 0x21f0aaad);
    const twice = Math.imul(once ^ (once >>> 15), 0x735a2d97);
    return twice ^ (twice >>> 15);
  });
}

/** FNV-1a over UTF-16 code units. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash;
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
