import { expect, test } from "vitest";
import { PAGE_BYTES } from "../../src/base/units.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import {
  DIGEST_BYTES,
  DIGEST_KEY_BYTES,
  PAGE_OPERATIONS,
  type PageEngine,
  type PageOperation,
} from "../../src/engine/types.ts";
import { enginesUnderTest } from "../support/engines.ts";
import { caseRandom, fuzzSettings } from "../support/fuzz.ts";
import type { Random } from "../support/random.ts";

/** A number, or an array at some offset of a buffer of its own. */
type Value = number | Uint8Array | Uint32Array;

const BITMAP_WORDS_MAX = 5000;
const WINDOW_PAGES_MAX = 24;
const LIST_MAX = 150;
const HEAD_PAGES_MAX = 3000;
const DENSITIES = [0, 0.0005, 0.01, 0.1, 0.5, 0.95, 1];
const OFFSETS = [0, 0, 1, 2, 3, 4, 7, 8, 16, 31, 33];

const { engines } = enginesUnderTest();

/** All engines must return and write, in each byte around each array too, what the oracle does. */
test("engines agree with the reference", { timeout: 3_600_000 }, () => {
  const settings = fuzzSettings("engine", 400);
  const oracle = createReferenceEngine();
  for (let iteration = 0; iteration < settings.iterations; iteration += 1) {
    const operation = PAGE_OPERATIONS[iteration % PAGE_OPERATIONS.length]!;
    const values = makeArguments(operation, caseRandom(settings, iteration));
    const wanted = outcomeOf(oracle, operation, values);
    for (const { label, engine } of engines) {
      const found = outcomeOf(engine, operation, values);
      const what = `${label} ${operation}, SEED='${settings.seed}' iteration ${iteration}`;
      expect(found.result, what).toBe(wanted.result);
      for (const [position, bytes] of found.memory.entries()) {
        const isSame = Buffer.compare(bytes, wanted.memory[position]!) === 0;
        expect(isSame, `${what}: argument ${position}`).toBe(true);
      }
    }
  }
});

interface Outcome {
  readonly result: number;
  /** The whole buffer behind each array. */
  readonly memory: readonly Uint8Array[];
}

/** Runs on copies, so that each engine starts from the same memory at the same offsets. */
function outcomeOf(
  engine: PageEngine,
  operation: PageOperation,
  values: readonly Value[],
): Outcome {
  const copies = values.map(copyOf);
  const result = Reflect.apply(engine[operation], engine, copies) as number;
  const arrays = copies.filter((value) => typeof value !== "number");
  return { result, memory: arrays.map((array) => new Uint8Array(array.buffer)) };
}

function copyOf(value: Value): Value {
  if (typeof value === "number") {
    return value;
  }
  const buffer = value.buffer.slice(0);
  return value instanceof Uint8Array
    ? new Uint8Array(buffer, value.byteOffset, value.length)
    : new Uint32Array(buffer, value.byteOffset, value.length);
}

function makeArguments(operation: PageOperation, random: Random): Value[] {
  switch (operation) {
    case "scanBitmap":
      return scanArguments(random);
    case "countBitmap":
      return [someBitmap(random, wordCount(random))];
    case "orBitmap": {
      const words = wordCount(random);
      return [someBitmap(random, words), someBitmap(random, words)];
    }
    case "encodePageDataHead":
      return encodeArguments(random);
    case "decodePageDataHead":
      return decodeArguments(random);
    default:
      return pageArguments(operation, random);
  }
}

function scanArguments(random: Random): Value[] {
  const words = wordCount(random);
  const bitCount = words * 64;
  const firstPfn = random.chance(0.3) ? 0 : random.below(bitCount + 100);
  const room = random.chance(0.5) ? random.below(200) : random.below(bitCount + 100);
  return [someBitmap(random, words), firstPfn, someWords(random, room)];
}

function encodeArguments(random: Random): Value[] {
  const count = random.below(random.pick([4, 70, HEAD_PAGES_MAX]));
  const types = someBytes(random, count + random.below(3)).map((type) => type % 16);
  const pfns = someWords(random, count).map(() => random.nextUint32());
  return [pfns, types, someBytes(random, 16 + 8 * count + random.below(9))];
}

function decodeArguments(random: Random): Value[] {
  const count = random.below(random.pick([4, 70, HEAD_PAGES_MAX]));
  const words = someBytes(random, 8 * count);
  for (let at = 0; at < words.length; at += 8) {
    words.fill(0, at + 4, at + 7);
    words[at + 7]! &= 0xf0;
  }
  for (let faults = random.below(3); faults > 0 && count > 0; faults -= 1) {
    words[8 * random.below(count) + 4 + random.below(4)]! ^= 1 << random.below(8);
  }
  const room = count + random.below(3);
  return [words, someWords(random, room), someBytes(random, room)];
}

function pageArguments(operation: PageOperation, random: Random): Value[] {
  const pageCount = 1 + random.below(WINDOW_PAGES_MAX);
  const listLength = random.below(random.pick([3, 20, LIST_MAX]));
  const window = somePages(random, pageCount);
  const list = someIndexes(random, { listLength, pageCount });
  const room = listLength + random.below(3);
  switch (operation) {
    case "gatherPages":
      return [window, list, someBytes(random, listLength * PAGE_BYTES + random.below(9))];
    case "scatterPages":
      return [somePages(random, listLength), list, window];
    case "comparePages":
      return [window, list, nearlyGathered(random, window, list), someBytes(random, room)];
    case "checksumPages":
      return [window, list, someWords(random, room)];
    case "digestPages":
      return [window, list, someKey(random), someBytes(random, room * DIGEST_BYTES)];
    default:
      return [window, list, someBytes(random, room)];
  }
}

/** Random words, or such as carry everywhere. */
function someKey(random: Random): Uint8Array {
  const key = at(random, DIGEST_KEY_BYTES);
  if (random.chance(0.2)) {
    return key.fill(0xff);
  }
  random.fill(key);
  return key;
}

function wordCount(random: Random): number {
  return random.below(random.pick([3, 40, 300, BITMAP_WORDS_MAX]));
}

function someBitmap(random: Random, words: number): Uint8Array {
  const bitmap = at(random, words * 8);
  for (let word = 0; word < words; ) {
    const density = random.pick(DENSITIES);
    const stretchEnd = Math.min(words, word + 1 + random.below(100));
    for (; word < stretchEnd; word += 1) {
      for (let bit = 0; density > 0 && bit < 64; bit += 1) {
        bitmap[word * 8 + (bit >> 3)]! |= random.chance(density) ? 1 << (bit & 7) : 0;
      }
    }
  }
  return bitmap;
}

/** Zero pages, random ones, ones with a single byte set. */
function somePages(random: Random, pageCount: number): Uint8Array {
  const pages = at(random, pageCount * PAGE_BYTES);
  for (let page = 0; page < pageCount; page += 1) {
    const bytes = pages.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
    const kind = random.below(3);
    if (kind === 1) {
      random.fill(bytes);
    } else if (kind === 2) {
      bytes[random.below(PAGE_BYTES)] = 1 + random.below(255);
    }
  }
  return pages;
}

/** Runs of consecutive pages, and jumps. */
function someIndexes(
  random: Random,
  { listLength, pageCount }: { readonly listLength: number; readonly pageCount: number },
): Uint32Array {
  const list = someWords(random, listLength);
  let next = 0;
  for (let entry = 0; entry < listLength; entry += 1) {
    next = random.chance(0.4) ? random.below(pageCount) : (next + 1) % pageCount;
    list[entry] = next;
  }
  return list;
}

/** The pages of the list, some of them with one bit flipped. */
function nearlyGathered(random: Random, window: Uint8Array, list: Uint32Array): Uint8Array {
  const pages = at(random, list.length * PAGE_BYTES);
  list.forEach((page, entry) => {
    pages.set(window.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES), entry * PAGE_BYTES);
    if (random.chance(0.3)) {
      pages[entry * PAGE_BYTES + random.below(PAGE_BYTES)]! ^= 1 << random.below(8);
    }
  });
  return pages;
}

function someBytes(random: Random, length: number): Uint8Array {
  const bytes = at(random, length);
  random.fill(bytes);
  return bytes;
}

/** Words of one value, which shows where something was written. */
function someWords(random: Random, length: number): Uint32Array {
  const words = new Uint32Array(new ArrayBuffer(length * 4 + 16), 4 * random.below(3), length);
  return words.fill(random.nextUint32());
}

/** Zeros at some offset, with room behind them. */
function at(random: Random, length: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(length + 64), random.pick(OFFSETS), length);
}
