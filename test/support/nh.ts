/**
 * NH word by word, straight from its definition: for tests only.
 *
 * @param message 32 bytes times something; its length is not added to the sum.
 * @param key as long as the message, or longer.
 * @source RFC 4418, 5.2.2, with the words of the key little-endian too
 */
export function definedNh(message: Uint8Array, key: Uint8Array): bigint {
  const wordOf = (bytes: Uint8Array, index: number): bigint =>
    bytes
      .subarray(4 * index, 4 * index + 4)
      .reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const sumOf = (index: number): bigint =>
    (wordOf(message, index) + wordOf(key, index)) % 2n ** 32n;
  let sum = 0n;
  for (let block = 0; block < message.length / 4; block += 8) {
    for (let index = block; index < block + 4; index += 1) {
      sum += sumOf(index) * sumOf(index + 4);
    }
  }
  return sum % 2n ** 64n;
}

/** Digest of a page: NH four times, each time with the key four words further on. */
export function definedDigest(page: Uint8Array, key: Uint8Array): readonly bigint[] {
  return [0, 1, 2, 3].map((iteration) => definedNh(page, key.subarray(16 * iteration)));
}
