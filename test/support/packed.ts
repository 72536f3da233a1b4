import { OWN_RECORD } from "../../src/format/own.ts";
import { hasStreamData } from "../../src/format/page-type.ts";
import { join, octetsIn } from "./bytes.ts";

const { u32: words } = octetsIn("little");

const PAGE_BYTES = 4096;
const PACK_PAGES = 64;
const RLE_BLOCK = 1;

/** Page data whose pages are each filled with one octet. */
export interface FilledPages {
  readonly pfns: readonly number[];
  readonly types: readonly number[];
  /** One for each page with data. */
  readonly fills: readonly number[];
}

/** How one pack of a record is written. */
export type PackForm = "zstd" | "plain";

/**
 * A PAGE_DATA record with packed pages, written by hand: frames of zstd with a run-length block for
 * each page, or the pages as they are.
 */
export function packedRecord(
  { pfns, types, fills }: FilledPages,
  form: (pack: number) => PackForm,
): Buffer {
  const head = Buffer.alloc(8 + 8 * pfns.length);
  head.writeUInt32LE(pfns.length, 0);
  pfns.forEach((pfn, index) => {
    head.writeUInt32LE(pfn, 8 + 8 * index);
    head.writeUInt32LE((types[index]! << 28) >>> 0, 12 + 8 * index);
  });
  const packs: Uint8Array[] = [];
  for (let first = 0; first < fills.length; first += PACK_PAGES) {
    const part = fills.slice(first, first + PACK_PAGES);
    const bytes = form(packs.length) === "zstd" ? zstdFrame(part) : plainPages(part);
    packs.push(join(words(bytes.length), bytes));
  }
  const body = join(head, ...packs);
  const padding = new Uint8Array(-body.length & 7);
  return Buffer.from(join(words(OWN_RECORD.PAGE_DATA_ZSTD, body.length), body, padding));
}

/** The same pages as a stock record. */
export function plainRecord({ pfns, types, fills }: FilledPages): Buffer {
  const record = packedRecord({ pfns, types, fills: [] }, () => "plain");
  const bytes = join(record, plainPages(fills));
  const plain = Buffer.from(bytes);
  plain.writeUInt32LE(1, 0);
  plain.writeUInt32LE(plain.length - 8, 4);
  return plain;
}

/** Fills for the pages of `types` that have data. */
export function fillsFor(types: readonly number[], fill: (index: number) => number) {
  return types.filter(hasStreamData).map((_, index) => fill(index));
}

function plainPages(fills: readonly number[]): Uint8Array {
  return join(...fills.map((fill) => new Uint8Array(PAGE_BYTES).fill(fill)));
}

/** A frame of run-length blocks. @source RFC 8878, section 3.1.1 */
function zstdFrame(fills: readonly number[]): Uint8Array {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(fills.length * PAGE_BYTES);
  const blocks = fills.map((fill, index) => {
    const isLast = index === fills.length - 1 ? 1 : 0;
    const header = isLast | (RLE_BLOCK << 1) | (PAGE_BYTES << 3);
    return Uint8Array.of(header & 0xff, (header >> 8) & 0xff, header >> 16, fill);
  });
  return join(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xa0), size, ...blocks);
}
