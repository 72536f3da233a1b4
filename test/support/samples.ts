import { join } from "./bytes.ts";
import { seededRandom } from "./splitmix32.ts";

const WORDS = "page frame dirty guest memory stream record header the of and a to in is".split(" ");

/** Octets that look like text: many short matches and uneven literals. */
export function textLike(byteCount: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  let text = "";
  while (text.length < byteCount) {
    const word = WORDS[Math.floor((random.below(100) * random.below(100) * WORDS.length) / 10_000)];
    text += `${word}${random.below(9) === 0 ? `${random.below(100_000)}.\n` : " "}`;
  }
  return new Uint8Array(Buffer.from(text.slice(0, byteCount), "latin1"));
}

/** Octets that cannot be compressed. */
export function noise(byteCount: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: byteCount }, () => random.below(256));
}

/** Contents by the name of the compressed file that holds them. */
export function zstdSamples(): ReadonlyMap<string, Uint8Array> {
  const text = textLike(300_000, 1);
  const random = noise(12_000, 2);
  return new Map([
    ["empty", new Uint8Array(0)],
    ["one-octet", Uint8Array.of(0x42)],
    ["zeros", new Uint8Array(1_000_000)],
    ["noise", random],
    ["text-fast", text.subarray(0, 150_000)],
    ["text-best", text],
    ["text-no-checksum-no-size", text.subarray(0, 40_000)],
    [
      "far-matches",
      join(random, new Uint8Array(3_000_000), random, text.subarray(0, 9_000), random),
    ],
    ["small-window", join(text.subarray(0, 90_000), random.subarray(0, 3_000), text)],
    ["two-frames", join(text.subarray(0, 5_000), random.subarray(0, 2_000))],
    ["skippable", text.subarray(0, 5_000)],
  ]);
}
