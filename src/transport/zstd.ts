import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import { Xxh64 } from "./xxh64.ts";
import { BLOCK_BYTES_MAX, ZstdBlockDecoder } from "./zstd-block.ts";
import { ZstdHistory } from "./zstd-history.ts";
import { damaged } from "./zstd-tables.ts";

/** Largest window that is taken: what `zstd --long` and a plain `zstd -d` use. */
export const ZSTD_WINDOW_BYTES_MAX = 128 * 1024 * 1024;

const MAGIC = 0xfd2f_b528;
const SKIPPABLE_MAGIC = 0x184d_2a50;
const SKIPPABLE_MASK = 0xffff_fff0;

/** Octets of one read of what is skipped. */
const SKIP_BYTES = 64 * 1024;

/** Whether `start`, at least four octets, are the start of a Zstandard file. */
export function isZstd(start: Uint8Array): boolean {
  if (start.length < 4) {
    return false;
  }
  const magic = viewOf(start).getUint32(0, true);
  return magic === MAGIC || isSkippable(magic);
}

/**
 * Decompresses Zstandard frames, one block at a time.
 *
 * Any number of frames may follow each other, skippable ones among them. Checksums are verified.
 * Memory is that of one window, and grows with what has been decompressed.
 *
 * @param source compressed octets; closing it is the caller's.
 * @returns chunks of at most 128 KiB, each valid until the next.
 * @throws MigrationError STREAM_COMPRESSION with `offset` in the decompressed stream and
 *   `compressedOffset`; STREAM_TRUNCATED; TRANSPORT_* from the source.
 * @source RFC 8878 section 3
 */
export async function* decompressZstd(
  source: ByteSource,
): AsyncGenerator<Uint8Array, void, undefined> {
  const progress = { offset: 0 };
  try {
    for (;;) {
      const first = await source.some(1);
      if (first === undefined) {
        return;
      }
      const lowest = first[0]!;
      const rest = await source.exactly(3);
      const magic = (lowest | (rest[0]! << 8) | (rest[1]! << 16) | (rest[2]! << 24)) >>> 0;
      if (isSkippable(magic)) {
        await skipFrame(source);
      } else if (magic === MAGIC) {
        yield* readFrame(source, progress);
      } else {
        throw damaged("neither a frame nor the end");
      }
    }
  } catch (error) {
    throw located(error, progress.offset, source.offset);
  }
}

/** @source RFC 8878 section 3.1.2 */
async function skipFrame(source: ByteSource): Promise<void> {
  let restBytes = viewOf(await source.exactly(4)).getUint32(0, true);
  while (restBytes > 0) {
    const stepBytes = Math.min(restBytes, SKIP_BYTES);
    await source.exactly(stepBytes);
    restBytes -= stepBytes;
  }
}

interface FrameHeader {
  readonly windowBytes: number;
  readonly contentBytes: bigint | undefined;
  readonly hasChecksum: boolean;
}

/** @source RFC 8878 section 3.1.1.1 */
async function readFrameHeader(source: ByteSource): Promise<FrameHeader> {
  const descriptor = (await source.exactly(1))[0]!;
  if ((descriptor & 0x08) !== 0) {
    throw damaged("reserved bit of a frame");
  }
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const windowByte = isSingleSegment ? undefined : (await source.exactly(1))[0]!;
  const dictionary = await readNumber(source, [0, 1, 2, 4][descriptor & 3]!);
  if (dictionary !== 0n) {
    throw damaged("a dictionary is needed");
  }
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 1 << sizeFlag;
  const size = (await readNumber(source, sizeBytes)) + (sizeBytes === 2 ? 256n : 0n);
  const contentBytes = sizeBytes === 0 ? undefined : size;
  const windowBytes = windowByte === undefined ? Number(size) : windowBytesOf(windowByte);
  if (windowBytes > ZSTD_WINDOW_BYTES_MAX) {
    const facts = { problem: "window", windowBytes, windowBytesMax: ZSTD_WINDOW_BYTES_MAX };
    throw new MigrationError("STREAM_COMPRESSION", facts);
  }
  return { windowBytes, contentBytes, hasChecksum: (descriptor & 0x04) !== 0 };
}

function windowBytesOf(windowByte: number): number {
  const base = 2 ** (10 + (windowByte >> 3));
  return base + (base / 8) * (windowByte & 7);
}

async function* readFrame(
  source: ByteSource,
  progress: { offset: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const { windowBytes, contentBytes, hasChecksum } = await readFrameHeader(source);
  const history = new ZstdHistory(windowBytes);
  const blocks = new ZstdBlockDecoder(history);
  const blockBytesMax = Math.min(windowBytes, BLOCK_BYTES_MAX);
  const hash = hasChecksum ? new Xxh64() : undefined;
  let frameBytes = 0n;
  let isLast = false;
  while (!isLast) {
    const head = await source.exactly(3);
    const bits = head[0]! | (head[1]! << 8) | (head[2]! << 16);
    isLast = (bits & 1) === 1;
    history.startBlock(blockBytesMax);
    await readBlock(source, { blocks, history }, (bits >> 1) & 3, bits >> 3);
    const { block } = history;
    hash?.update(block);
    frameBytes += BigInt(block.length);
    if (block.length > 0) {
      yield block;
      progress.offset += block.length;
    }
  }
  if (contentBytes !== undefined && contentBytes !== frameBytes) {
    throw damaged("length of the content");
  }
  if (hash !== undefined && (await readNumber(source, 4)) !== (hash.digest() & 0xffff_ffffn)) {
    throw damaged("checksum of the content");
  }
}

/** @source RFC 8878 section 3.1.1.2 */
async function readBlock(
  source: ByteSource,
  into: { readonly blocks: ZstdBlockDecoder; readonly history: ZstdHistory },
  type: number,
  size: number,
): Promise<void> {
  if (size > BLOCK_BYTES_MAX) {
    throw damaged("a block longer than any may be");
  }
  switch (type) {
    case 0:
      into.history.append(await source.exactly(size));
      return;
    case 1:
      into.history.fill((await source.exactly(1))[0]!, size);
      return;
    case 2:
      into.blocks.decode(await source.exactly(size));
      return;
    default:
      throw damaged("type of a block");
  }
}

/** A little-endian number of up to eight octets. */
async function readNumber(source: ByteSource, byteCount: number): Promise<bigint> {
  const bytes = await source.exactly(byteCount);
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function isSkippable(magic: number): boolean {
  return (magic & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC;
}

/** Says where in both streams it happened. */
function located(error: unknown, offset: number, compressedOffset: number): unknown {
  if (!(error instanceof MigrationError)) {
    return error;
  }
  if (error.code === "STREAM_TRUNCATED") {
    const { offset: compressedEnd } = error.where;
    return new MigrationError("STREAM_TRUNCATED", { offset, compressedOffset: compressedEnd });
  }
  return error.code === "STREAM_COMPRESSION"
    ? new MigrationError(error.code, { ...error.where, offset, compressedOffset })
    : error;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
