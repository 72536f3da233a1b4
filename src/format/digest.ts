/**
 * The digest of a guest's memory, in a file of its own; all numbers little-endian.
 *
 *     0  "XFDIGEST"
 *     8  u32 version, 1
 *    12  u32 guest type, as in libxc's domain header
 *    16  u64 frames with memory
 *    24  u64 runs
 *    32  SHA-256, 32 octets: the root
 *    64  runs, 16 octets each: u64 pfn word of the first frame, u64 frames
 *        then u32 CRC32C of each frame's page, frames rising
 *
 * A run is frames of one type whose numbers follow each other, as long as can be; its pfn word has
 * the type in bits 63-60, as in PAGE_DATA. Frames count that have memory once the image is
 * restored; one that was only allocated (XALLOC) is NOTAB.
 *
 * The root is over octets 0 to 31 and, for each frame rising, its pfn word and its CRC32C. So equal
 * memory has one root, whatever the image's format, order, version, compression or layout.
 */
export const DIGEST_FILE = {
  /** "XFDIGEST". */
  ident: 0x5846_4449_4745_5354n,
  version: 1,
  headBytes: 32,
  rootBytes: 32,
  runBytes: 16,
  crcBytes: 4,
} as const;
