import { createHash } from "node:crypto";
import { type FileHandle, mkdtemp, open, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { LITTLE_ENDIAN, PAGE_BYTES } from "../base/units.ts";
import type { RandomAccess } from "../transport/image-file.ts";

/** Frames whose place is kept in one table. */
const TABLE_FRAMES = 1 << 16;

/** Where the newest page of each frame is; tables appear as frames do, so a stray pfn costs one. */
class FramePlaces {
  readonly #tables = new Map<number, Float64Array>();

  /** Undefined for a frame without memory. */
  at(pfn: number): number | undefined {
    const place = this.#tables.get(Math.floor(pfn / TABLE_FRAMES))?.[pfn % TABLE_FRAMES];
    return place === undefined || place === 0 ? undefined : place - 1;
  }

  set(pfn: number, place: number | undefined): void {
    const number = Math.floor(pfn / TABLE_FRAMES);
    let table = this.#tables.get(number);
    if (table === undefined) {
      table = new Float64Array(TABLE_FRAMES);
      this.#tables.set(number, table);
    }
    table[pfn % TABLE_FRAMES] = place === undefined ? 0 : place + 1;
  }

  /** Frames with memory and their places, rising by frame. */
  *entries(): Generator<readonly [pfn: number, place: number]> {
    for (const number of [...this.#tables.keys()].sort((a, b) => a - b)) {
      const table = this.#tables.get(number)!;
      for (let index = 0; index < TABLE_FRAMES; index++) {
        if (table[index] !== 0) {
          yield [number * TABLE_FRAMES + index, table[index]! - 1];
        }
      }
    }
  }
}

/** What a receiver's memory would hold. */
export interface MemoryDigest {
  /** Frames that have a page. */
  readonly framesWithMemory: number;
  readonly framesAllZero: number;
  /** Over each such frame, rising: its number as 64 bits little-endian, then its page. */
  readonly sha256: string;
}

/**
 * Follows the pages of a stream and digests what a receiver ends up with.
 *
 * Keeps 8 octets a frame; the pages are read again from the image where it is a plain file, and
 * else from a temporary file as large as the guest's memory (in the system's temporary folder).
 */
export class MemoryDigester {
  readonly #places = new FramePlaces();
  readonly #image: RandomAccess | undefined;
  #spool: FileHandle | undefined;

  /** @param image where the offsets given to `store` lead; `undefined` for a pipe. */
  constructor(image: RandomAccess | undefined) {
    this.#image = image;
  }

  /** A page of `pfn` that stands at `offset` of the stream; `page` is copied. */
  async store(pfn: number, page: Uint8Array, offset: number): Promise<void> {
    if (this.#image !== undefined) {
      this.#places.set(pfn, offset);
      return;
    }
    this.#spool ??= await openSpool();
    await this.#spool.write(page, 0, PAGE_BYTES, pfn * PAGE_BYTES);
    this.#places.set(pfn, pfn * PAGE_BYTES);
  }

  /** The frame has no page any more. */
  drop(pfn: number): void {
    if (this.#places.at(pfn) !== undefined) {
      this.#places.set(pfn, undefined);
    }
  }

  async digest(): Promise<MemoryDigest> {
    const hash = createHash("sha256");
    const entry = Buffer.alloc(8 + PAGE_BYTES);
    const page = entry.subarray(8);
    let framesWithMemory = 0;
    let framesAllZero = 0;
    for (const [pfn, place] of this.#places.entries()) {
      await this.#read(place, page);
      new DataView(entry.buffer, entry.byteOffset).setBigUint64(0, BigInt(pfn), LITTLE_ENDIAN);
      hash.update(entry);
      framesWithMemory++;
      framesAllZero += page.equals(ZERO_PAGE) ? 1 : 0;
    }
    return { framesWithMemory, framesAllZero, sha256: hash.digest("hex") };
  }

  /** Closes the temporary file, which has no name any more. */
  async close(): Promise<void> {
    await this.#spool?.close();
  }

  async #read(place: number, out: Uint8Array): Promise<void> {
    if (this.#image !== undefined) {
      await this.#image.readAt(place, out);
    } else {
      await this.#spool?.read(out, 0, PAGE_BYTES, place);
    }
  }
}

const ZERO_PAGE = Buffer.alloc(PAGE_BYTES);

/** Opens a temporary file without a name: gone with this process, whatever happens. */
async function openSpool(): Promise<FileHandle> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "xenferry-inspect-"));
  try {
    return await open(path.join(folder, "pages"), "w+", 0o600);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
