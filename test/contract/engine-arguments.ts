import { expect, test } from "vitest";
import { HEAD_PAGES_MAX } from "../../src/base/page-head.ts";
import { PAGE_BYTES } from "../../src/base/units.ts";
import {
  DIGEST_KEY_BYTES,
  PAGE_OPERATIONS,
  type PageEngine,
  type PageOperation,
} from "../../src/engine/types.ts";

const UNTOUCHED = 0x7e;

type Arguments = readonly unknown[];

interface Case {
  /** Arguments that work. */
  readonly right: () => Arguments;
  /** Positions of what the operation writes. */
  readonly outputs: readonly number[];
  /** What is wrong, and the arguments with it. */
  readonly outOfRange: Readonly<Record<string, (right: Arguments) => Arguments>>;
}

/** Contract of all operations: wrong arguments throw before anything is written. */
export function argumentsContract(engine: PageEngine): void {
  for (const operation of PAGE_OPERATIONS) {
    const { right, outputs, outOfRange } = CASES[operation];

    test(`${operation} takes arguments of the right kinds`, () => {
      expect(() => call(engine, operation, right())).not.toThrow();
    });

    test(`${operation} refuses other kinds`, () => {
      for (let position = 0; position < right().length; position += 1) {
        for (const wrong of wrongKinds(right()[position])) {
          const changed = right().with(position, wrong);
          expect(() => call(engine, operation, changed)).toThrow(TypeError);
          expectUntouched(changed, outputs);
        }
      }
    });

    test.each(Object.keys(outOfRange))(`${operation} refuses %s`, (what) => {
      const changed = outOfRange[what]!(right());
      expect(() => call(engine, operation, changed)).toThrow(RangeError);
      expectUntouched(changed, outputs);
    });
  }
}

function call(engine: PageEngine, operation: PageOperation, values: Arguments): unknown {
  return Reflect.apply(engine[operation], engine, values);
}

function wrongKinds(right: unknown): unknown[] {
  const others: unknown[] = [
    undefined,
    null,
    {},
    "1",
    [1],
    new ArrayBuffer(8),
    new Float64Array(8),
  ];
  const words = [new Uint32Array(8), new Int32Array(8)];
  const bytes = [new Uint8Array(8), new Uint8ClampedArray(8), new Int8Array(8)];
  const views = [new DataView(new ArrayBuffer(8)), new BigUint64Array(8)];
  if (typeof right === "number") {
    return [...others, 1n, ...words, ...bytes];
  }
  return [...others, 1, ...views, ...words, ...bytes].filter(
    (value) => (value as object)?.constructor !== (right as object).constructor,
  );
}

function expectUntouched(values: Arguments, outputs: readonly number[]): void {
  for (const output of outputs) {
    const value = values[output];
    if (value instanceof Uint8Array || value instanceof Uint32Array) {
      expect(value.every((entry) => entry === UNTOUCHED || entry === 0)).toBe(true);
    }
  }
}

function bytes(length: number): Uint8Array {
  return new Uint8Array(length).fill(UNTOUCHED);
}

function words(length: number): Uint32Array {
  return new Uint32Array(length).fill(UNTOUCHED);
}

function pages(count: number): Uint8Array {
  return bytes(count * PAGE_BYTES);
}

const replace = (position: number, value: () => unknown) => (right: Arguments) =>
  right.with(position, value());

/** Lets the array at `position` start at the last bytes of the one at `other`. */
const overlap = (position: number, other: number) => (right: Arguments) => {
  const first = right[other] as Uint8Array | Uint32Array;
  const second = right[position] as Uint8Array | Uint32Array;
  const start = Math.floor((first.byteLength - 1) / 4) * 4;
  const buffer = new ArrayBuffer(start + second.byteLength + 4);
  new Uint8Array(buffer).fill(0);
  const view = (array: Uint8Array | Uint32Array, byteOffset: number): unknown =>
    array instanceof Uint8Array
      ? new Uint8Array(buffer, byteOffset, array.length)
      : new Uint32Array(buffer, byteOffset, array.length);
  return right.with(other, view(first, 0)).with(position, view(second, start));
};

const indexes = (): Uint32Array => Uint32Array.of(1, 0, 1);
const badIndexes = {
  "a page beyond the window": replace(1, () => Uint32Array.of(0, 2, 1)),
  "a page far beyond the window": replace(1, () => Uint32Array.of(0, 1, 0xffffffff)),
};

const CASES: Readonly<Record<PageOperation, Case>> = {
  scanBitmap: {
    right: () => [bytes(16), 0, words(4)],
    outputs: [2],
    outOfRange: {
      "part of a word": replace(0, () => bytes(12)),
      "more than 2^32 bits": replace(0, () => new Uint8Array(2 ** 29 + 8)),
      "a negative pfn": replace(1, () => -1),
      "part of a pfn": replace(1, () => 0.5),
      "a pfn that is no number": replace(1, () => Number.NaN),
      "an endless pfn": replace(1, () => Number.POSITIVE_INFINITY),
      "a pfn beyond exact numbers": replace(1, () => 2 ** 53),
      "an output over the bitmap": overlap(2, 0),
    },
  },
  countBitmap: {
    right: () => [bytes(16)],
    outputs: [],
    outOfRange: {
      "part of a word": replace(0, () => bytes(4)),
      "more than 2^32 bits": replace(0, () => new Uint8Array(2 ** 29 + 8)),
    },
  },
  orBitmap: {
    right: () => [bytes(16), bytes(16)],
    outputs: [0],
    outOfRange: {
      "part of a word": () => [bytes(12), bytes(12)],
      "bitmaps of two lengths": replace(1, () => bytes(24)),
      "one bitmap twice": (right) => [right[0], right[0]],
      "bitmaps that overlap": overlap(0, 1),
    },
  },
  findZeroPages: {
    right: () => [pages(2), indexes(), bytes(3)],
    outputs: [2],
    outOfRange: {
      "part of a page": replace(0, () => bytes(2 * PAGE_BYTES + 8)),
      "too little room": replace(2, () => bytes(2)),
      "an output over the window": overlap(2, 0),
      "an output over the indexes": overlap(2, 1),
      ...badIndexes,
    },
  },
  gatherPages: {
    right: () => [pages(2), indexes(), pages(3)],
    outputs: [2],
    outOfRange: {
      "part of a page": replace(0, () => bytes(PAGE_BYTES + 1)),
      "too little room": replace(2, () => bytes(3 * PAGE_BYTES - 1)),
      "an output over the window": overlap(2, 0),
      "an output over the indexes": overlap(2, 1),
      ...badIndexes,
    },
  },
  scatterPages: {
    right: () => [pages(3), indexes(), pages(2)],
    outputs: [2],
    outOfRange: {
      "part of a page": replace(2, () => bytes(2 * PAGE_BYTES + 1)),
      "too few pages": replace(0, () => bytes(3 * PAGE_BYTES - 1)),
      "a window over the pages": overlap(2, 0),
      "a window over the indexes": overlap(2, 1),
      ...badIndexes,
    },
  },
  comparePages: {
    right: () => [pages(2), indexes(), pages(3), bytes(3)],
    outputs: [3],
    outOfRange: {
      "part of a page": replace(0, () => bytes(PAGE_BYTES - 8)),
      "too few pages": replace(2, () => bytes(3 * PAGE_BYTES - 1)),
      "too little room": replace(3, () => bytes(2)),
      "an output over the window": overlap(3, 0),
      "an output over the indexes": overlap(3, 1),
      "an output over the pages": overlap(3, 2),
      ...badIndexes,
    },
  },
  checksumPages: {
    right: () => [pages(2), indexes(), words(3)],
    outputs: [2],
    outOfRange: {
      "part of a page": replace(0, () => bytes(PAGE_BYTES + 4)),
      "too little room": replace(2, () => words(2)),
      "an output over the window": overlap(2, 0),
      "an output over the indexes": overlap(2, 1),
      ...badIndexes,
    },
  },
  digestPages: {
    right: () => [pages(2), indexes(), bytes(DIGEST_KEY_BYTES), bytes(96)],
    outputs: [3],
    outOfRange: {
      "part of a page": replace(0, () => bytes(PAGE_BYTES + 4)),
      "a key that is short": replace(2, () => bytes(DIGEST_KEY_BYTES - 16)),
      "a key that is long": replace(2, () => bytes(DIGEST_KEY_BYTES + 1)),
      "too little room": replace(3, () => bytes(95)),
      "an output over the window": overlap(3, 0),
      "an output over the indexes": overlap(3, 1),
      "an output over the key": overlap(3, 2),
      ...badIndexes,
    },
  },
  encodePageDataHead: {
    right: () => [words(3), Uint8Array.of(0, 15, 13), bytes(40)],
    outputs: [2],
    outOfRange: {
      "more pages than a record takes": () => [
        words(HEAD_PAGES_MAX + 1),
        new Uint8Array(HEAD_PAGES_MAX + 1),
        bytes(16 + 8 * (HEAD_PAGES_MAX + 1)),
      ],
      "too few types": replace(1, () => Uint8Array.of(0, 15)),
      "too little room": replace(2, () => bytes(39)),
      "a type of five bits": replace(1, () => Uint8Array.of(0, 1, 16)),
      "a type of eight bits": replace(1, () => Uint8Array.of(255, 1, 0)),
      "an output over the pfns": overlap(2, 0),
      "an output over the types": overlap(2, 1),
    },
  },
  decodePageDataHead: {
    right: () => [new Uint8Array(24), words(3), bytes(3)],
    outputs: [1, 2],
    outOfRange: {
      "part of a word": replace(0, () => new Uint8Array(20)),
      "too little room for pfns": replace(1, () => words(2)),
      "too little room for types": replace(2, () => bytes(2)),
      "pfns over the words": overlap(1, 0),
      "types over the words": overlap(2, 0),
      "types over the pfns": overlap(2, 1),
    },
  },
};
