import { MigrationError } from "../base/errors.ts";
import { PAGE_BYTES, PFN_COUNT_MAX } from "../base/units.ts";
import { decodeP2mFrames } from "../codec/bodies.ts";
import type { PageDataEvent, RecordEvent } from "../codec/events.ts";
import { madePageData } from "../codec/made-events.ts";
import type { PageOperations } from "../engine/types.ts";
import { LIBXC_RECORD } from "../format/libxc.ts";
import { hasStreamData, PAGE_TYPE } from "../format/page-type.ts";
import { FrameStates } from "./frame-states.ts";
import { dropAlignment, type StreamEvents } from "./rewrite-stage.ts";

/**
 * Sends pages of zeros as XALLOC, without data, where nothing else was sent of the frame before: a
 * receiver then gives it memory, which Xen hands out cleared.
 *
 * Page tables stay as they are, the frames of a PV guest's own table, which have to be ordinary
 * pages, and what is sent to be compared. Memory goes with the frames, an octet each; where those
 * lie too scattered to be followed, zeros stay.
 *
 * @source xg_sr_restore_x86_pv.c process_start_info, process_vcpu_basic, update_guest_p2m
 */
export async function* elideZeros(
  events: StreamEvents,
  engine: Pick<PageOperations, "findZeroPages" | "gatherPages">,
): StreamEvents {
  const elision = new Elision(engine);
  let isVerifying = false;
  for await (const event of dropAlignment(events)) {
    if (event.kind === "record" && event.layer === "libxc") {
      isVerifying ||= event.type === LIBXC_RECORD.VERIFY;
      elision.takeRecord(event);
    }
    yield event.kind === "page-data" && !isVerifying ? elision.of(event) : event;
  }
}

class Elision {
  readonly #engine: Pick<PageOperations, "findZeroPages" | "gatherPages">;
  /** Frames that are sent with something in them, or must be ordinary, count as populated. */
  readonly #sent = new FrameStates({ checksums: "none" });
  #isZero = new Uint8Array(0);
  #indexes = new Uint32Array(0);
  #kept = new Uint32Array(0);
  #types = new Uint8Array(0);
  #pages = new Uint8Array(0);

  constructor(engine: Pick<PageOperations, "findZeroPages" | "gatherPages">) {
    this.#engine = engine;
  }

  /** Keeps the frames that a PV guest's table is made of. */
  takeRecord(record: RecordEvent): void {
    const isP2m = record.type === LIBXC_RECORD.X86_PV_P2M_FRAMES;
    for (const pfn of isP2m ? p2mFramesOf(record) : []) {
      if (pfn < PFN_COUNT_MAX) {
        this.#sent.set(Number(pfn), PAGE_TYPE.NOTAB);
      }
    }
  }

  /** The record without its pages of zeros; itself if it has none. */
  of(event: PageDataEvent): PageDataEvent {
    const { pfns, pages } = event;
    this.#reserve(pfns.length, pages.length / PAGE_BYTES);
    const kept = this.#chooseKept(event);
    if (kept.length * PAGE_BYTES === pages.length) {
      return event;
    }
    if (this.#pages.length < kept.length * PAGE_BYTES) {
      this.#pages = new Uint8Array(kept.length * PAGE_BYTES);
    }
    const data = this.#pages.subarray(0, kept.length * PAGE_BYTES);
    this.#engine.gatherPages(pages, kept, data);
    const { offset, byteOrder } = event;
    const types = this.#types.subarray(0, pfns.length);
    return madePageData({ byteOrder, pfns, types, pages: data }, offset);
  }

  /** Fills `#types`; returns which of the record's pages are left. */
  #chooseKept({ pfns, types, pages }: PageDataEvent): Uint32Array {
    const pageCount = pages.length / PAGE_BYTES;
    const isZero = this.#isZero.subarray(0, pageCount);
    this.#engine.findZeroPages(pages, this.#indexes.subarray(0, pageCount), isZero);
    let page = 0;
    let keptCount = 0;
    for (let index = 0; index < pfns.length; index++) {
      const [pfn, type] = [pfns[index]!, types[index]!];
      this.#types[index] = type;
      if (!hasStreamData(type)) {
        continue;
      }
      if (isZero[page] !== 0 && type === PAGE_TYPE.NOTAB && this.#isNew(pfn)) {
        this.#types[index] = PAGE_TYPE.XALLOC;
      } else {
        this.#sent.set(pfn, type);
        this.#kept[keptCount++] = page;
      }
      page++;
    }
    return this.#kept.subarray(0, keptCount);
  }

  #isNew(pfn: number): boolean {
    return !this.#sent.isScattered && !this.#sent.get(pfn).isPopulated;
  }

  #reserve(entryCount: number, pageCount: number): void {
    if (this.#types.length < entryCount) {
      this.#types = new Uint8Array(entryCount);
    }
    if (this.#isZero.length < pageCount) {
      this.#isZero = new Uint8Array(pageCount);
      this.#kept = new Uint32Array(pageCount);
      this.#indexes = Uint32Array.from({ length: pageCount }, (_, index) => index);
    }
  }
}

/** None of a damaged record, which is told where the stream is verified. */
function p2mFramesOf(record: RecordEvent): BigUint64Array {
  try {
    return decodeP2mFrames(record).p2mPfns;
  } catch (error) {
    if (error instanceof MigrationError) {
      return new BigUint64Array(0);
    }
    throw error;
  }
}
