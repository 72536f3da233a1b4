import type { Clock } from "../base/clock.ts";
import type { ByteSink } from "../base/io.ts";
import { BATCH_PAGES_MAX, PAGE_BYTES } from "../base/units.ts";
import type { Window } from "../base/window.ts";
import { encodeRecord } from "../codec/record.ts";
import type { PageEngine } from "../engine/types.ts";
import { RECORD_HEADER_BYTES } from "../format/libxc.ts";
import { PAGE_ALIGN_BYTES, PAGE_ALIGNMENT, pageAlignmentBytes } from "../format/page-alignment.ts";
import { PAGE_TYPE } from "../format/page-type.ts";
import type { SourceMemory } from "../guest/types.ts";
import { probePump } from "../transport/pump-addon.ts";
import { drainPipe } from "./drain.ts";
import { throwIfInterrupted } from "./interruption.ts";
import { PageDigests } from "./page-digests.ts";
import type { PumpCounts, PumpJob, PumpOptions, SendPump } from "./pump.ts";
import { Throttle } from "./throttle.ts";

/** Batches under way at once: one being collected while others are with the transport. */
const BATCHES_IN_FLIGHT = 3;

/** Octets of the head of a full batch: record header, count, pfn words. */
const HEAD_BYTES_MAX = 16 + 8 * BATCH_PAGES_MAX;

const ZEROS = new Uint8Array(PAGE_ALIGN_BYTES);

/** A batch with fewer pages to a run is gathered; others go out of the mapping as they lie. */
const RUN_PAGES_MIN = 8;

interface Parts {
  readonly memory: SourceMemory;
  readonly engine: PageEngine;
  readonly sink: ByteSink;
  readonly clock: Clock;
  readonly options: PumpOptions;
}

/** Makes the portable pump: TypeScript that composes engine operations, on this thread. */
export function createPortablePump(parts: Parts): SendPump {
  const slots = Array.from({ length: BATCHES_IN_FLIGHT }, () => new Slot());
  const { memory, engine, clock, options } = parts;
  const throttle = new Throttle(options.bytesPerSecondMax, clock);
  const digests =
    options.skipsUnchanged === true ? new PageDigests(engine, memory.pfnCount) : undefined;
  const send = (job: PumpJob) => new Sending(parts, { slots, throttle, digests, job }).run();
  const drain = (signal: AbortSignal) => drainPipe(probePump().addon, parts.sink, signal);
  return { name: "portable", directBytes: 0, send, drain };
}

type Part = keyof PumpCounts["parts"];

/** Buffers of one batch; free again when `idle` resolves. */
class Slot {
  readonly head = new Uint8Array(HEAD_BYTES_MAX);
  readonly pages = new Uint8Array(BATCH_PAGES_MAX * PAGE_BYTES);
  idle: Promise<void> = Promise.resolve();
}

/** One iteration under way. */
class Sending {
  readonly #parts: Parts;
  readonly #slots: readonly Slot[];
  readonly #throttle: Throttle;
  readonly #digests: PageDigests | undefined;
  readonly #job: PumpJob;
  readonly #scanned = new Uint32Array(BATCH_PAGES_MAX);
  readonly #types = new Uint8Array(BATCH_PAGES_MAX);
  readonly #dataPfns = new Uint32Array(BATCH_PAGES_MAX);
  readonly #counts = {
    pagesSent: 0,
    pagesAllocateOnly: 0,
    pagesDeferred: 0,
    pagesUnchanged: 0,
    bytes: 0,
    scanMs: 0,
    parts: {} as Partial<Record<Part, number>>,
  };

  constructor(
    parts: Parts,
    work: {
      readonly slots: readonly Slot[];
      readonly throttle: Throttle;
      readonly digests: PageDigests | undefined;
      readonly job: PumpJob;
    },
  ) {
    this.#parts = parts;
    this.#slots = work.slots;
    this.#throttle = work.throttle;
    this.#digests = work.digests;
    this.#job = work.job;
  }

  async run(): Promise<PumpCounts> {
    try {
      let firstPfn = 0;
      for (let batch = 0; ; batch++) {
        throwIfInterrupted(this.#job.signal);
        const found = this.#scan(firstPfn);
        if (found.length === 0) {
          break;
        }
        firstPfn = found[found.length - 1]! + 1;
        const slot = this.#slots[batch % this.#slots.length]!;
        await this.#timed("waitMs", () => slot.idle);
        await this.#sendBatch(found, slot);
        this.#job.onProgress(this.#counts);
      }
      await this.#timed("waitMs", () => Promise.all(this.#slots.map((slot) => slot.idle)));
    } catch (error) {
      await Promise.allSettled(this.#slots.map((slot) => slot.idle));
      this.#slots.forEach((slot) => {
        slot.idle = Promise.resolve();
      });
      throw error;
    }
    return this.#counts;
  }

  #scan(firstPfn: number): Uint32Array {
    const { clock, engine } = this.#parts;
    const startMs = clock.nowMs();
    const { dirtyBitmap } = this.#job;
    const found = this.#scanned.subarray(
      0,
      engine.scanBitmap(dirtyBitmap, firstPfn, this.#scanned),
    );
    found.forEach((pfn) => {
      dirtyBitmap[pfn >>> 3]! &= ~(1 << (pfn & 7));
    });
    this.#counts.scanMs += clock.nowMs() - startMs;
    return found;
  }

  /** Does `work`, and adds the time it took to a part. */
  async #timed<Value>(part: Part, work: () => Promise<Value>): Promise<Value> {
    const { clock } = this.#parts;
    const startMs = clock.nowMs();
    const value = await work();
    const { parts } = this.#counts;
    parts[part] = (parts[part] ?? 0) + clock.nowMs() - startMs;
    return value;
  }

  async #sendBatch(found: Uint32Array, slot: Slot): Promise<void> {
    const pfns = this.#withoutDeferred(found);
    const types = this.#types.subarray(0, pfns.length);
    this.#assignTypes(pfns, types);
    if (this.#job.elidesZeroPages) {
      await this.#timed("zeroMs", () => this.#elideZeroPages(pfns, types, slot));
    }
    const dataPfns = this.#withData(pfns, types);
    const digests = this.#digests;
    if (digests === undefined) {
      await this.#write({ pfns, types, pages: await this.#pagesOf(dataPfns, slot) }, slot);
      return;
    }
    const copies = await this.#copiesOf(dataPfns, slot);
    const find = async () => digests.findUnchanged(dataPfns, copies);
    const isUnchanged = await this.#timed("checksumMs", find);
    await this.#write(dropUnchanged({ pfns, types, copies, isUnchanged }), slot);
    this.#counts.pagesUnchanged += isUnchanged.filter(Boolean).length;
  }

  /** Hands a batch to the sink; it is under way until the slot is idle. */
  async #write({ pfns, types, pages }: Columns, slot: Slot): Promise<void> {
    if (pfns.length === 0) {
      return;
    }
    const headBytes = this.#parts.engine.encodePageDataHead(pfns, types, slot.head);
    const pagesBytes = pages.reduce((sum, part) => sum + part.length, 0);
    const alignment = pagesBytes > 0 ? this.#alignment(headBytes) : [];
    const alignmentBytes = alignment.reduce((sum, part) => sum + part.length, 0);
    const bytes = alignmentBytes + headBytes + pagesBytes;
    await this.#timed("waitMs", () => this.#throttle.take(bytes, this.#job.signal));
    slot.idle = this.#parts.sink.write(...alignment, slot.head.subarray(0, headBytes), ...pages);
    slot.idle.catch(() => undefined);
    this.#counts.pagesSent += pagesBytes / PAGE_BYTES;
    this.#counts.pagesAllocateOnly += pfns.length - pagesBytes / PAGE_BYTES;
    this.#counts.bytes += bytes;
  }

  /** The record that puts the pages behind a head of `headBytes` where they are to start. */
  #alignment(headBytes: number): readonly Uint8Array[] {
    const { sink, options } = this.#parts;
    const recordBytes = options.alignsPages ? pageAlignmentBytes(sink.offset, headBytes) : 0;
    return recordBytes === 0
      ? []
      : encodeRecord({
          type: PAGE_ALIGNMENT,
          body: ZEROS.subarray(0, recordBytes - RECORD_HEADER_BYTES),
        });
  }

  /**
   * Moves pages that the guest cannot give now out of `found`, in place, into the deferred ones.
   */
  #withoutDeferred(found: Uint32Array): Uint32Array {
    const unsendable = this.#parts.memory.unsendable?.(found);
    if (unsendable === undefined) {
      return found;
    }
    let kept = 0;
    found.forEach((pfn, index) => {
      if (unsendable[index] === 0) {
        found[kept++] = pfn;
      } else {
        this.#job.deferredBitmap[pfn >>> 3]! |= 1 << (pfn & 7);
        this.#counts.pagesDeferred++;
      }
    });
    return found.subarray(0, kept);
  }

  /** Fills `types`: pages that were never populated have no data. */
  #assignTypes(pfns: Uint32Array, types: Uint8Array): void {
    types.fill(PAGE_TYPE.NOTAB);
    const populated = this.#job.populatedBitmap;
    if (populated !== undefined) {
      pfns.forEach((pfn, index) => {
        if (((populated[pfn >>> 3]! >> (pfn & 7)) & 1) === 0) {
          types[index] = PAGE_TYPE.XALLOC;
        }
      });
    }
  }

  /** Takes the data from pages of zeros. */
  async #elideZeroPages(pfns: Uint32Array, types: Uint8Array, slot: Slot): Promise<void> {
    const dataPfns = this.#withData(pfns, types);
    const isZero = await this.#findZeroPages(dataPfns, slot);
    let next = 0;
    types.forEach((pageType, index) => {
      if (pageType === PAGE_TYPE.NOTAB && isZero[next++] !== 0) {
        types[index] = PAGE_TYPE.XALLOC;
      }
    });
  }

  async #findZeroPages(pfns: Uint32Array, slot: Slot): Promise<Uint8Array> {
    const { memory, engine } = this.#parts;
    const isZero = new Uint8Array(pfns.length);
    if (memory.windows.length === 0) {
      const pages = slot.pages.subarray(0, pfns.length * PAGE_BYTES);
      await memory.gather(pfns, pages);
      engine.findZeroPages(pages, Uint32Array.from(pfns.keys()), isZero);
      return isZero;
    }
    for (const { firstPfn, bytes } of memory.windows) {
      const first = pfns.findIndex((pfn) => pfn >= firstPfn);
      const end = pfns.findIndex((pfn) => pfn >= firstPfn + bytes.length / PAGE_BYTES);
      const part = first < 0 ? [] : pfns.subarray(first, end < 0 ? pfns.length : end);
      const indexes = Uint32Array.from(part, (pfn) => pfn - firstPfn);
      engine.findZeroPages(bytes, indexes, isZero.subarray(Math.max(first, 0)));
    }
    return isZero;
  }

  /** Those of `pfns` that have data; valid until the next call. */
  #withData(pfns: Uint32Array, types: Uint8Array): Uint32Array {
    let dataCount = 0;
    pfns.forEach((pfn, index) => {
      if (types[index] === PAGE_TYPE.NOTAB) {
        this.#dataPfns[dataCount++] = pfn;
      }
    });
    return this.#dataPfns.subarray(0, dataCount);
  }

  /** The pages' bytes: views of the mapping where they lie together, else one gathered copy. */
  async #pagesOf(pfns: Uint32Array, slot: Slot): Promise<readonly Uint8Array[]> {
    const { memory } = this.#parts;
    if (pfns.length === 0) {
      return [];
    }
    const runs = runsOf(pfns);
    if (memory.windows.length > 0 && runs.length * RUN_PAGES_MIN <= pfns.length) {
      return runs.flatMap((run) => viewsOf(memory.windows, run));
    }
    return [await this.#copiesOf(pfns, slot)];
  }

  /** Copies of the pages, in the slot. */
  async #copiesOf(pfns: Uint32Array, slot: Slot): Promise<Uint8Array> {
    const pages = slot.pages.subarray(0, pfns.length * PAGE_BYTES);
    await this.#timed("copyMs", async () => {
      if (pfns.length > 0 && !this.#gatherMapped(pfns, pages)) {
        await this.#parts.memory.gather(pfns, pages);
      }
    });
    return pages;
  }

  /** Gathers with the engine where all of `pfns` lie in one window. */
  #gatherMapped(pfns: Uint32Array, pages: Uint8Array): boolean {
    const window = windowOf(this.#parts.memory.windows, pfns[0]!);
    if (window === undefined || !contains(window, pfns[pfns.length - 1]!)) {
      return false;
    }
    const indexes = pfns.map((pfn) => pfn - window.firstPfn);
    this.#parts.engine.gatherPages(window.bytes, indexes, pages);
    return true;
  }
}

/** A batch as it goes out. */
interface Columns {
  readonly pfns: Uint32Array;
  readonly types: Uint8Array;
  readonly pages: readonly Uint8Array[];
}

/**
 * Takes pages that need not go out of a batch, in place; entry i of `isUnchanged` is of the i-th
 * page with data.
 */
function dropUnchanged(batch: {
  readonly pfns: Uint32Array;
  readonly types: Uint8Array;
  readonly copies: Uint8Array;
  readonly isUnchanged: readonly boolean[];
}): Columns {
  const { pfns, types, copies, isUnchanged } = batch;
  let kept = 0;
  let copy = 0;
  let keptCopies = 0;
  pfns.forEach((pfn, index) => {
    const hasData = types[index] === PAGE_TYPE.NOTAB;
    if (hasData && isUnchanged[copy++] === true) {
      return;
    }
    if (hasData) {
      copies.copyWithin(keptCopies++ * PAGE_BYTES, (copy - 1) * PAGE_BYTES, copy * PAGE_BYTES);
    }
    pfns[kept] = pfn;
    types[kept++] = types[index]!;
  });
  const pages = [copies.subarray(0, keptCopies * PAGE_BYTES)];
  return { pfns: pfns.subarray(0, kept), types: types.subarray(0, kept), pages };
}

interface Run {
  readonly firstPfn: number;
  readonly pageCount: number;
}

/** Splits rising pfns into runs of neighbours. */
function runsOf(pfns: Uint32Array): readonly Run[] {
  const runs: Run[] = [];
  let first = 0;
  for (let index = 1; index <= pfns.length; index++) {
    if (index === pfns.length || pfns[index] !== pfns[index - 1]! + 1) {
      runs.push({ firstPfn: pfns[first]!, pageCount: index - first });
      first = index;
    }
  }
  return runs;
}

/** Views of a run's pages; more than one where it crosses windows. */
function viewsOf(windows: readonly Window[], run: Run): readonly Uint8Array[] {
  const views: Uint8Array[] = [];
  let pfn = run.firstPfn;
  const end = run.firstPfn + run.pageCount;
  while (pfn < end) {
    const window = windowOf(windows, pfn)!;
    const from = (pfn - window.firstPfn) * PAGE_BYTES;
    const bytes = Math.min((end - pfn) * PAGE_BYTES, window.bytes.length - from);
    views.push(window.bytes.subarray(from, from + bytes));
    pfn += bytes / PAGE_BYTES;
  }
  return views;
}

function windowOf(windows: readonly Window[], pfn: number): Window | undefined {
  return windows.find((window) => contains(window, pfn));
}

function contains(window: Window, pfn: number): boolean {
  return pfn >= window.firstPfn && (pfn - window.firstPfn) * PAGE_BYTES < window.bytes.length;
}
