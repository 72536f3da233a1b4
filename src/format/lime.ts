/**
 * LiME: ranges of physical memory, each behind a header.
 *
 * @source LiME's doc/README.md, "LiME Memory Range Header Version 1 Specification"
 */
export const LIME = {
  /** "EMiL" as it lies in the file. */
  magic: 0x4c69_4d45,
  version: 1,
  headerBytes: 32,
} as const;
