import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import { PAGE_BYTES } from "../base/units.ts";
import {
  PageDataDecoder,
  type PageDataHead,
  type PageDataPlace,
  pageDataHeadBytes,
} from "../codec/page-data.ts";
import { type ByteOrder, type PagesHandOver, type PagesTaken, viewOf } from "../codec/steps.ts";
import {
  LIBXC_RECORD,
  PAGE_DATA_HEAD_BYTES,
  paddedBytes,
  RECORD_BYTES_MAX,
  RECORD_HEADER_BYTES,
} from "../format/libxc.ts";
import { hasStreamData, isPageTable } from "../format/page-type.ts";
import type { RandomAccess } from "../transport/image-file.ts";
import type { StreamVerifier } from "./stream-verifier.ts";
import type { PageChecker } from "./verify-check-pages.ts";
import { RecordIndex } from "./verify-record-index.ts";

/** Octets read at once: a record's header and head, and what stands before them. */
const WINDOW_BYTES = 8448;

const PROGRESS_BYTES = 1024 * 1024;

interface Parts {
  readonly image: RandomAccess;
  readonly fileBytes: number;
  readonly source: ByteSource;
  readonly pageDataHead: PageDataHeadCodec;
  readonly verifier: StreamVerifier;
  /** Looks at pages; `undefined` where they are stepped over. */
  readonly checker: PageChecker | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((bytesRead: number) => void) | undefined;
}

/** A record's header, and where it starts. */
interface Header {
  readonly offset: number;
  readonly type: number;
  readonly bodyBytes: number;
}

/** Goes from one PAGE_DATA of a file to the next, and reads no more of it than their heads. */
export class PageWalk {
  readonly #parts: Parts;
  readonly #decoder: PageDataDecoder;
  readonly #index = new RecordIndex();
  readonly #window = new Uint8Array(WINDOW_BYTES);
  #windowOffset = 0;
  #windowBytes = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#decoder = new PageDataDecoder(parts.pageDataHead);
  }

  /**
   * Takes a run of PAGE_DATA records.
   *
   * @throws MigrationError STREAM_TRUNCATED, RECORD_TOO_LONG, TRANSPORT_LOST; the signal's reason.
   */
  async take(first: PagesHandOver): Promise<PagesTaken> {
    const { source, signal, onProgress } = this.#parts;
    const counts = { records: 0, entries: 0, dataPages: 0 };
    const { byteOrder } = first;
    let header: Header = first;
    let told = first.offset;
    // The source stands behind the first header; whatever happens it goes on where this ended.
    let position = first.offset + RECORD_HEADER_BYTES;
    try {
      while (header.type === LIBXC_RECORD.PAGE_DATA) {
        signal?.throwIfAborted();
        const end = this.#endOf(header);
        const head = await this.#takeRecord({ ...header, byteOrder });
        counts.records++;
        counts.entries += head?.pfns.length ?? 0;
        counts.dataPages += head === undefined ? 0 : dataPageCount(head);
        position = end;
        header = await this.#headerAt(end, byteOrder);
        position += RECORD_HEADER_BYTES;
        if (end - told >= PROGRESS_BYTES) {
          told = end;
          onProgress?.(told);
        }
      }
    } finally {
      source.direct?.advance(position - first.offset - RECORD_HEADER_BYTES);
    }
    const { offset, type: nextType, bodyBytes: nextBodyBytes } = header;
    return { ...counts, bytes: offset - first.offset, nextType, nextBodyBytes };
  }

  /** Waits until all pages have been looked at. @throws MigrationError as {@link take} */
  async finish(): Promise<void> {
    await this.#parts.checker?.finish();
  }

  /** Ends looking at pages. */
  async giveUp(): Promise<void> {
    await this.#parts.checker?.giveUp();
  }

  /** Reads the page that a frame has at the end; `undefined` where it came without data. */
  async readPage(pfn: number): Promise<Uint8Array | undefined> {
    for (const { offset, bodyBytes, byteOrder } of this.#index.recordsWith(pfn)) {
      const head = await this.#readHead({ offset, bodyBytes, byteOrder });
      const index = head.pfns.lastIndexOf(pfn);
      if (index !== -1 && hasStreamData(head.types[index]!)) {
        const pageIndex = head.types.subarray(0, index).filter(hasStreamData).length;
        const page = new Uint8Array(PAGE_BYTES);
        await this.#parts.image.readAt(head.pagesOffset + pageIndex * PAGE_BYTES, page);
        return page;
      }
    }
    return undefined;
  }

  /** Returns what stands before the pages; `undefined` if it is not sound. */
  async #takeRecord(record: Header & { readonly byteOrder: ByteOrder }) {
    const { verifier, checker } = this.#parts;
    let head: PageDataHead;
    try {
      head = await this.#readHead({ ...record, layer: "libxc" });
    } catch (error) {
      if (error instanceof MigrationError && error.code.startsWith("PAGE_DATA_")) {
        verifier.takeFault(error, record.offset);
        return undefined;
      }
      throw error;
    }
    verifier.takeHead(head);
    this.#index.add(record, head.pfns);
    await checker?.take(head, verifier);
    if (checker !== undefined && verifier.isPv) {
      await this.#checkTables(head);
    }
    return head;
  }

  async #readHead(place: PageDataPlace): Promise<PageDataHead> {
    const bodyOffset = place.offset + RECORD_HEADER_BYTES;
    const startBytes = Math.min(place.bodyBytes, PAGE_DATA_HEAD_BYTES);
    const headBytes = pageDataHeadBytes(place, await this.#read(bodyOffset, startBytes));
    return this.#decoder.decodeHead(place, await this.#read(bodyOffset, headBytes));
  }

  async #checkTables(head: PageDataHead): Promise<void> {
    const { image, verifier } = this.#parts;
    const { pfns, types, offset, pagesOffset } = head;
    const page = new Uint8Array(PAGE_BYTES);
    let at = pagesOffset;
    for (let index = 0; index < types.length; index++) {
      if (isPageTable(types[index]!)) {
        await image.readAt(at, page);
        verifier.checksums?.checkTable(page, { pfn: pfns[index]!, offset, tell: verifier.tell });
      }
      at += hasStreamData(types[index]!) ? PAGE_BYTES : 0;
    }
  }

  /** Where a record ends, which must be in the file. */
  #endOf({ offset, bodyBytes }: Header): number {
    const { fileBytes } = this.#parts;
    const place = { layer: "libxc", record: "PAGE_DATA" };
    if (bodyBytes > RECORD_BYTES_MAX) {
      const facts = { offset, ...place, bodyBytes, bodyBytesMax: RECORD_BYTES_MAX };
      throw new MigrationError("RECORD_TOO_LONG", facts);
    }
    const end = offset + RECORD_HEADER_BYTES + paddedBytes(bodyBytes);
    if (end > fileBytes) {
      const facts = { offset: fileBytes, ...place, recordOffset: offset };
      throw new MigrationError("STREAM_TRUNCATED", facts);
    }
    return end;
  }

  async #headerAt(offset: number, byteOrder: ByteOrder): Promise<Header> {
    const { fileBytes } = this.#parts;
    if (offset + RECORD_HEADER_BYTES > fileBytes) {
      const place = { offset: fileBytes, layer: "libxc", record: "header", recordOffset: offset };
      throw new MigrationError("STREAM_TRUNCATED", place);
    }
    const view = viewOf(await this.#read(offset, RECORD_HEADER_BYTES));
    const isLittle = byteOrder === "little";
    return { offset, type: view.getUint32(0, isLittle), bodyBytes: view.getUint32(4, isLittle) };
  }

  /** Octets that are in the file; valid until the next call. */
  async #read(offset: number, byteCount: number): Promise<Uint8Array> {
    const at = offset - this.#windowOffset;
    if (at >= 0 && at + byteCount <= this.#windowBytes) {
      return this.#window.subarray(at, at + byteCount);
    }
    const { image, fileBytes } = this.#parts;
    if (byteCount > WINDOW_BYTES) {
      const large = new Uint8Array(byteCount);
      await image.readAt(offset, large);
      return large;
    }
    this.#windowOffset = offset;
    this.#windowBytes = Math.min(WINDOW_BYTES, fileBytes - offset);
    await image.readAt(offset, this.#window.subarray(0, this.#windowBytes));
    return this.#window.subarray(0, byteCount);
  }
}

function dataPageCount({ types }: PageDataHead): number {
  return types.reduce((count, type) => count + (hasStreamData(type) ? 1 : 0), 0);
}
