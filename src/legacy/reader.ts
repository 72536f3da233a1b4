import { unreachable } from "../base/assert.ts";
import { MigrationError } from "../base/errors.ts";
import { LITTLE_ENDIAN } from "../base/units.ts";
import type { Cursor } from "../codec/steps.ts";
import {
  LEGACY_BATCH_PAGES_MAX,
  LEGACY_CHUNK,
  LEGACY_CHUNK_PARAMS,
  LEGACY_PARAM_BYTES,
  LEGACY_TOOLSTACK_BYTES_MAX,
  LEGACY_TSC_BYTES,
  LEGACY_VCPU_COUNT_MAX,
  type LegacyChunkName,
  legacyChunkName,
} from "../format/legacy.ts";
import { BatchReader } from "./batch.ts";
import type { LegacyPhysmap, LegacySteps, LegacyTail } from "./events.ts";
import { type LegacyBeginning, type LegacyExpectation, readLegacyHead } from "./head.ts";
import { readEmulator, readHvmTail, startsEmulator } from "./hvm.ts";
import type { LegacyInput } from "./input.ts";
import { PendingPages } from "./pending.ts";
import { type PvLayout, readExtendedInfo, readP2mFrames, readPvTail } from "./pv.ts";
import { decodeToolstack } from "./toolstack.ts";

/** How {@link readLegacy} reads. */
export interface LegacyReadOptions extends LegacyExpectation {
  /**
   * The device model's state behind an HVM guest's stream: `read` (default) demands it; `leave`
   * reads no octet of it, unless another checkpoint must be looked for behind it.
   */
  readonly emulator?: "read" | "leave" | undefined;
}

/**
 * Reads a legacy stream of libxc, and the device model's state that libxl or xend wrote behind it.
 *
 *   start      number of frames; PV: extended info, frames of the p2m     -> body
 *   body       batches and chunks; the one with id 0                      -> tail
 *   tail       registers, device model; then after LAST_CHECKPOINT        -> done
 *              without it (Remus; Xen before 4.1): the input's end        -> done
 *                                                  anything else          -> body
 *
 * A fault in a body or tail after a complete checkpoint is no error: what came since is discarded,
 * as Xen's restore does.
 *
 * @param ident the stream's first eight octets, which were read; kept by the caller.
 * @throws MigrationError LEGACY_*, STREAM_TRUNCATED, with `offset` in octets from the start
 * @source xc_domain_save.c and xc_domain_restore.c of Xen 3.4 to 4.5
 */
export function* readLegacy(
  cursor: Cursor,
  ident: Uint8Array,
  options: LegacyReadOptions = {},
): LegacySteps<void> {
  const offset = cursor.offset - ident.length;
  const beginning = yield* readLegacyHead(cursor, ident, options);
  yield { kind: "start", offset, ...beginning.head };
  yield* new LegacyReader(beginning, options).checkpoints();
}

class LegacyReader {
  readonly #input: LegacyInput;
  readonly #beginning: LegacyBeginning;
  readonly #emulator: "read" | "leave";
  readonly #batches: BatchReader;
  readonly #params = new Map<bigint, bigint>();
  #pending: PendingPages | undefined;
  #layout: PvLayout | undefined;
  /** Without a chunk that says otherwise a guest has one vCPU. */
  #vcpuIds: readonly number[] = [0];
  #physmap: readonly LegacyPhysmap[] = [];
  #isLast = false;
  #compressesNext = false;

  constructor(beginning: LegacyBeginning, { emulator = "read" }: LegacyReadOptions) {
    this.#input = beginning.input;
    this.#beginning = beginning;
    this.#emulator = emulator;
    this.#batches = new BatchReader(beginning.input, beginning.head.pfnCount);
  }

  *checkpoints(): LegacySteps<void> {
    const { firstChunk } = this.#beginning;
    if (this.#beginning.head.guest === "pv") {
      yield* this.#readPvStart();
    }
    yield* this.#readCheckpoint(firstChunk ?? (yield* this.#nextChunk()));
    while (!this.#isLast) {
      const { offset } = this.#input.cursor;
      try {
        yield* this.#readCheckpoint(yield* this.#nextChunk());
      } catch (error) {
        if (!(error instanceof MigrationError)) {
          throw error;
        }
        if (error.code !== "STREAM_TRUNCATED" || error.where.offset !== offset) {
          yield { kind: "discarded", offset, error };
        }
        return;
      }
    }
  }

  *#readPvStart(): LegacySteps<void> {
    const { offset } = this.#input.cursor;
    this.#layout = yield* readExtendedInfo(this.#input);
    const p2mPfns = yield* readP2mFrames(this.#input, this.#layout, this.#head.pfnCount);
    yield { kind: "pv", offset, guestWidth: this.#layout.guestWidth, p2mPfns };
  }

  get #head() {
    return this.#beginning.head;
  }

  *#nextChunk(): LegacySteps<Chunk> {
    this.#input.enter("chunk");
    const { offset } = this.#input.cursor;
    return { offset, id: yield* this.#input.i32() };
  }

  /** Reads chunks from `first` on, and the tail behind them. */
  *#readCheckpoint(first: Chunk): LegacySteps<void> {
    let chunk = first;
    if (this.#emulator === "leave" && startsEmulator(chunk.id)) {
      yield* readEmulator(this.#input, chunk.id);
      chunk = yield* this.#nextChunk();
    }
    while (chunk.id !== LEGACY_CHUNK.END) {
      yield* chunk.id > 0 ? this.#readBatch(chunk) : this.#readChunk(chunk);
      chunk = yield* this.#nextChunk();
    }
    yield { kind: "chunk", ...chunk };
    this.#pending?.checkEmpty();
    if (this.#compressesNext) {
      this.#pending ??= new PendingPages(this.#input);
    }
    const tail = yield* this.#readTail();
    const params = [...this.#params].map(([index, value]) => ({ index, value }));
    const { offset } = this.#input.cursor;
    yield { kind: "checkpoint", offset, params, physmap: this.#physmap, tail };
  }

  *#readBatch({ id: wordCount, offset }: Chunk): LegacySteps<void> {
    this.#input.cursor.enterRecord("batch", offset);
    this.#input.checkLength(wordCount, LEGACY_BATCH_PAGES_MAX);
    const columns = yield* this.#batches.read(wordCount);
    if (this.#pending !== undefined) {
      const withoutData = this.#pending.add(columns, offset);
      if (withoutData !== undefined) {
        yield withoutData;
      }
      return;
    }
    const { pfns, types, pageBytes } = columns;
    const pages = yield* this.#input.cursor.exactly(pageBytes);
    if (pfns.length > 0) {
      yield { kind: "pages", offset, pfns, types, pages };
    }
  }

  *#readChunk({ id, offset }: Chunk): LegacySteps<void> {
    const { cursor } = this.#input;
    const name = legacyChunkName(id);
    if (name === undefined) {
      throw this.#input.error("LEGACY_CHUNK", { id });
    }
    cursor.enterRecord(name, offset);
    yield { kind: "chunk", id, offset };
    const index = LEGACY_CHUNK_PARAMS.get(id);
    if (index === undefined) {
      yield* this.#readPlainChunk(name, offset);
    } else {
      yield* this.#readParam(index);
    }
  }

  /** Whatever is no HVM param. */
  *#readPlainChunk(name: LegacyChunkName, offset: number): LegacySteps<void> {
    switch (name) {
      case "ENABLE_VERIFY_MODE":
        return;
      case "VCPU_INFO":
        yield* this.#readVcpuIds();
        return;
      case "TSC_INFO":
        yield* this.#readTsc(offset);
        return;
      case "TOOLSTACK":
        yield* this.#readToolstack();
        return;
      case "LAST_CHECKPOINT":
        this.#isLast = true;
        return;
      case "ENABLE_COMPRESSION":
        this.#compressesNext = true;
        return;
      case "COMPRESSED_DATA":
        yield* this.#readCompressed(offset);
        return;
      case "TMEM":
      case "TMEM_EXTRA":
        throw this.#input.error("LEGACY_TMEM");
      default:
        throw this.#input.error("LEGACY_CHUNK", { name });
    }
  }

  *#readParam(index: bigint): LegacySteps<void> {
    if (this.#head.guest === "pv") {
      throw this.#input.error("LEGACY_CHUNK_GUEST", { guest: "pv" });
    }
    const view = yield* this.#input.view(LEGACY_PARAM_BYTES);
    this.#params.set(index, view.getBigUint64(4, LITTLE_ENDIAN));
  }

  *#readVcpuIds(): LegacySteps<void> {
    const maxId = yield* this.#input.i32();
    if (maxId < 0 || maxId >= LEGACY_VCPU_COUNT_MAX) {
      throw this.#input.error("LEGACY_VCPU", { maxId, countMax: LEGACY_VCPU_COUNT_MAX });
    }
    const wordCount = Math.floor(maxId / 64) + 1;
    const view = yield* this.#input.view(wordCount * 8);
    const ids = Array.from({ length: maxId + 1 }, (_, id) => id);
    this.#vcpuIds = ids.filter((id) => (view.getUint8(id >>> 3) & (1 << (id & 7))) !== 0);
    if (this.#vcpuIds.length === 0) {
      throw this.#input.error("LEGACY_VCPU", { maxId, problem: "none is online" });
    }
  }

  *#readTsc(offset: number): LegacySteps<void> {
    const view = yield* this.#input.view(LEGACY_TSC_BYTES);
    const info = {
      mode: view.getUint32(0, LITTLE_ENDIAN),
      nsec: view.getBigUint64(4, LITTLE_ENDIAN),
      khz: view.getUint32(12, LITTLE_ENDIAN),
      incarnation: view.getUint32(16, LITTLE_ENDIAN),
      reserved: 0,
    };
    yield { kind: "tsc", offset, info };
  }

  *#readToolstack(): LegacySteps<void> {
    const bodyBytes = this.#input.checkLength(yield* this.#input.u32(), LEGACY_TOOLSTACK_BYTES_MAX);
    const body = yield* this.#input.copy(bodyBytes);
    this.#physmap = bodyBytes === 0 ? [] : decodeToolstack(this.#input, body);
  }

  *#readCompressed(offset: number): LegacySteps<void> {
    if (this.#pending === undefined) {
      throw this.#input.error("LEGACY_COMPRESSION", { problem: "it was not announced" });
    }
    const bytes = yield* this.#input.word();
    const packedBytes = this.#input.checkLength(bytes, this.#pending.packedBytesMax);
    yield* this.#pending.unpack(yield* this.#input.copy(packedBytes), offset);
  }

  *#readTail(): LegacySteps<LegacyTail> {
    const { guest, pfnCount } = this.#head;
    switch (guest) {
      case "pv":
        return yield* readPvTail(this.#input, this.#layout!, { pfnCount, vcpuIds: this.#vcpuIds });
      case "hvm": {
        const tail = yield* readHvmTail(this.#input);
        const isRead = this.#emulator === "read";
        const emulator = isRead ? yield* readEmulator(this.#input) : undefined;
        return { guest, ...tail, emulator };
      }
      default:
        return unreachable(guest);
    }
  }
}

interface Chunk {
  readonly id: number;
  readonly offset: number;
}
