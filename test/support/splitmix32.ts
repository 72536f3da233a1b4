/** Numbers that depend on the seed only: splitmix32. */
export interface Random {
  /** An integer from 0 to `bound` - 1. */
  below(bound: number): number;
}

/** Makes a generator. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    below(bound) {
      state = (state + 0x9e37_79b9) >>> 0;
      let mixed = state ^ (state >>> 16);
      mixed = Math.imul(mixed, 0x21f0_aaad);
      mixed ^= mixed >>> 15;
      mixed = Math.imul(mixed, 0x735a_2d97);
      mixed ^= mixed >>> 15;
      return (mixed >>> 0) % bound;
    },
  };
}
