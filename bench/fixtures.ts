import { createCipheriv, createHash } from "node:crypto";
import { PAGE_BYTES } from "#dist/base/units.js";

/** Bytes that look random and are the same for the same seed: AES-CTR over zeros. */
export function randomBytes(lengthBytes: number, seed: string): Uint8Array {
  const key = createHash("sha256").update(seed).digest().subarray(0, 16);
  const cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  const bytes = new Uint8Array(lengthBytes);
  const stepBytes = 2 ** 20;
  for (let at = 0; at < lengthBytes; at += stepBytes) {
    bytes.set(cipher.update(Buffer.alloc(Math.min(stepBytes, lengthBytes - at))), at);
  }
  return bytes;
}

/** Whole numbers below `limit`, evenly spread, repeats possible. */
export function randomNumbers(count: number, limit: number, seed: string): Uint32Array {
  const words = new Uint32Array(randomBytes(count * 4, seed).buffer);
  return words.map((word) => Math.floor((word / 2 ** 32) * limit));
}

/** A dirty bitmap in which about `density` of the bits are set, evenly spread. */
export function randomBitmap(lengthBytes: number, density: number, seed: string): Uint8Array {
  // Written once, or all of it could be one page of zeros that the kernel shows everywhere.
  const bitmap = new Uint8Array(lengthBytes).fill(0);
  const bitCount = lengthBytes * 8;
  for (const bit of randomNumbers(Math.round(bitCount * density), bitCount, seed)) {
    bitmap[Math.floor(bit / 8)]! |= 1 << (bit % 8);
  }
  return bitmap;
}

/** Set bits of a bitmap, counted byte by byte without any engine. */
export function countBits(bitmap: Uint8Array): number {
  const perByte = Uint8Array.from(
    { length: 256 },
    (_, byte) => byte.toString(2).split("1").length - 1,
  );
  return bitmap.reduce((sum, byte) => sum + perByte[byte]!, 0);
}

/** A window of pages none of which is zero. */
export function randomWindow(pageCount: number, seed: string): Uint8Array {
  return randomBytes(pageCount * PAGE_BYTES, seed);
}

/** The first `pageCount` pages in order. */
export function inOrder(pageCount: number): Uint32Array {
  return Uint32Array.from({ length: pageCount }, (_, page) => page);
}
