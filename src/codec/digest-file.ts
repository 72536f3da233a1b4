import { createHash } from "node:crypto";
import { MigrationError } from "../base/errors.ts";
import { LITTLE_ENDIAN, PFN_COUNT_MAX } from "../base/units.ts";
import { DIGEST_FILE } from "../format/digest.ts";
import { hasStreamData } from "../format/page-type.ts";
import { viewOf } from "./steps.ts";

/** Frames hashed in one go, and octets of one. */
const HASHED_FRAMES = 4096;
const HASHED_BYTES = 12;

const TYPE_SHIFT = 60n;
const PFN_MASK = (1n << TYPE_SHIFT) - 1n;

const { headBytes, rootBytes, runBytes, crcBytes } = DIGEST_FILE;
const RUNS_OFFSET = headBytes + rootBytes;

/** Frames of one type whose numbers follow each other. */
export interface DigestRun {
  readonly firstPfn: number;
  readonly pageType: number;
  readonly frameCount: number;
}

/** A guest's memory by frames: what their pages were. */
export interface MemoryTable {
  /** As in libxc's domain header. */
  readonly guestType: number;
  /** Rising, and as long as can be. */
  readonly runs: readonly DigestRun[];
  /** CRC32C of each frame's page, in the order of the runs. */
  readonly crcs: Uint32Array;
}

/** The root of a table, in hexadecimal. @source DIGEST_FILE */
export function digestRoot(table: MemoryTable): string {
  const hash = createHash("sha256").update(encodeHead(table));
  const bytes = new Uint8Array(HASHED_FRAMES * HASHED_BYTES);
  const view = viewOf(bytes);
  let filled = 0;
  let index = 0;
  for (const { firstPfn, pageType, frameCount } of table.runs) {
    for (let pfn = firstPfn; pfn < firstPfn + frameCount; pfn++) {
      view.setUint32(filled, pfn, LITTLE_ENDIAN);
      view.setUint32(filled + 4, pageType * 2 ** 28, LITTLE_ENDIAN);
      view.setUint32(filled + 8, table.crcs[index++]!, LITTLE_ENDIAN);
      filled += HASHED_BYTES;
      if (filled === bytes.length) {
        hash.update(bytes);
        filled = 0;
      }
    }
  }
  return hash.update(bytes.subarray(0, filled)).digest("hex");
}

/** A table as the octets of a file. */
export function encodeDigestFile(table: MemoryTable): readonly Uint8Array[] {
  const runs = new Uint8Array(table.runs.length * runBytes);
  const view = viewOf(runs);
  for (const [index, { firstPfn, pageType, frameCount }] of table.runs.entries()) {
    const word = (BigInt(pageType) << TYPE_SHIFT) | BigInt(firstPfn);
    view.setBigUint64(index * runBytes, word, LITTLE_ENDIAN);
    view.setBigUint64(index * runBytes + 8, BigInt(frameCount), LITTLE_ENDIAN);
  }
  const crcs = new Uint8Array(table.crcs.length * crcBytes);
  const crcView = viewOf(crcs);
  table.crcs.forEach((crc, index) => {
    crcView.setUint32(index * crcBytes, crc, LITTLE_ENDIAN);
  });
  return [encodeHead(table), Buffer.from(digestRoot(table), "hex"), runs, crcs];
}

/**
 * Reads a file's octets, and checks all of them.
 *
 * @throws MigrationError DIGEST_NOT, DIGEST_VERSION, DIGEST_DAMAGED
 */
export function decodeDigestFile(bytes: Uint8Array): MemoryTable {
  const view = viewOf(bytes);
  if (bytes.length < RUNS_OFFSET || view.getBigUint64(0) !== DIGEST_FILE.ident) {
    throw new MigrationError("DIGEST_NOT", { bytes: bytes.length });
  }
  const version = view.getUint32(8, LITTLE_ENDIAN);
  if (version !== DIGEST_FILE.version) {
    throw new MigrationError("DIGEST_VERSION", { version, known: DIGEST_FILE.version });
  }
  const [frameCount, runCount] = [16, 24].map((at) => view.getBigUint64(at, LITTLE_ENDIAN));
  const sizes = frameCount! * BigInt(crcBytes) + runCount! * BigInt(runBytes);
  const expected = BigInt(RUNS_OFFSET) + sizes;
  if (BigInt(bytes.length) !== expected) {
    const facts = { bytes: bytes.length, expectedBytes: expected };
    throw new MigrationError("DIGEST_DAMAGED", facts);
  }
  const runs = decodeRuns(bytes, { frameCount: Number(frameCount), runCount: Number(runCount) });
  const crcs = new Uint32Array(Number(frameCount));
  const crcsOffset = RUNS_OFFSET + runs.length * runBytes;
  for (let index = 0; index < crcs.length; index++) {
    crcs[index] = view.getUint32(crcsOffset + index * crcBytes, LITTLE_ENDIAN);
  }
  const table = { guestType: view.getUint32(12, LITTLE_ENDIAN), runs, crcs };
  const root = Buffer.from(bytes.subarray(headBytes, RUNS_OFFSET)).toString("hex");
  if (digestRoot(table) !== root) {
    throw new MigrationError("DIGEST_DAMAGED", { offset: headBytes, problem: "another root" });
  }
  return table;
}

function encodeHead({ guestType, runs, crcs }: MemoryTable): Uint8Array {
  const head = new Uint8Array(headBytes);
  const view = viewOf(head);
  view.setBigUint64(0, DIGEST_FILE.ident);
  view.setUint32(8, DIGEST_FILE.version, LITTLE_ENDIAN);
  view.setUint32(12, guestType, LITTLE_ENDIAN);
  view.setBigUint64(16, BigInt(crcs.length), LITTLE_ENDIAN);
  view.setBigUint64(24, BigInt(runs.length), LITTLE_ENDIAN);
  return head;
}

/** Runs that rise, are sound, and have as many frames as there should be. */
function decodeRuns(
  bytes: Uint8Array,
  { frameCount, runCount }: { readonly frameCount: number; readonly runCount: number },
): readonly DigestRun[] {
  const view = viewOf(bytes);
  const runs: DigestRun[] = [];
  let frames = 0;
  let nextPfn = 0n;
  for (let offset = RUNS_OFFSET; runs.length < runCount; offset += runBytes) {
    const word = view.getBigUint64(offset, LITTLE_ENDIAN);
    const count = view.getBigUint64(offset + 8, LITTLE_ENDIAN);
    const first = word & PFN_MASK;
    const pageType = Number(word >> TYPE_SHIFT);
    frames += Number(count);
    const isInOrder = first >= nextPfn && first + count <= BigInt(PFN_COUNT_MAX);
    if (count === 0n || !isInOrder || frames > frameCount || !hasStreamData(pageType)) {
      throw new MigrationError("DIGEST_DAMAGED", { offset, problem: "no such frames" });
    }
    runs.push({ firstPfn: Number(first), pageType, frameCount: Number(count) });
    nextPfn = first + count;
  }
  if (frames !== frameCount) {
    throw new MigrationError("DIGEST_DAMAGED", { frames, expectedFrames: frameCount });
  }
  return runs;
}
