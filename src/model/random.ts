const GOLDEN = 0x9e3779b97f4a7c15n;
const M1 = 0xbf58476d1ce4e5b9n;
const M2 = 0x94d049bb133111ebn;

/** Numbers that look random and are the same each time: splitmix64. */
export class Random {
  #state: bigint;

  constructor(seed: bigint) {
    this.#state = seed;
  }

  /** From 0 to 1, without either. */
  uniform(): number {
    this.#state = BigInt.asUintN(64, this.#state + GOLDEN);
    let x = this.#state;
    x = BigInt.asUintN(64, (x ^ (x >> 30n)) * M1);
    x = BigInt.asUintN(64, (x ^ (x >> 27n)) * M2);
    return (Number((x ^ (x >> 31n)) >> 11n) + 0.5) * 2 ** -53;
  }

  /** Around 0, with a standard deviation of 1. @source Box and Muller, 1958 */
  normal(): number {
    return Math.sqrt(-2 * Math.log(this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }
}
