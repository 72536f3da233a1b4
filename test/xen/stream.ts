/**
 * A second reader of saved images, apart from the project's codec: it judges what that wrote.
 *
 * @source docs/specs/libxc-migration-stream.pandoc, docs/specs/libxl-migration-stream.pandoc.
 */
import { readFileSync } from "node:fs";

const PAGE_BYTES = 4096;
const WORD_BYTES = 8;
const XL_IDENT = "Xen saved domain, xl format";
const LIBXL_IDENT = "LibxlFmt";
const LIBXL_CONTEXT = 1;
const LIBXL_CHECKPOINT_END = 4;
const END = 0;
const PAGE_DATA = 1;
const PV_P2M_FRAMES = 3;
const PV_VCPU_BASIC = 4;
const HVM_PARAMS = 10;
const CHECKPOINT = 14;
/** Image and domain header. */
const HEADERS_BYTES = 40;
/** Indexes of params. @source public/hvm/params.h */
const IOREQ_SERVER_PFN = 32;
const NR_IOREQ_SERVER_PAGES = 33;
const BROKEN = 13;
const XALLOC = 14;
export const ABSENT = 255;
/** EDX of vCPU 0 names the start info's pfn: record head, FPU, flags, registers before it. */
const EDX_OFFSET = { 32: 8 + 512 + 4 + 2 * 4, 64: 8 + 512 + 8 + 12 * 8 } as const;

export interface LibxcRecord {
  readonly type: number;
  readonly body: Buffer;
}

/** What a receiver ends up with. */
export interface Image {
  readonly bytes: number;
  /** Image and domain header. */
  readonly headers: Buffer;
  /** Records other than PAGE_DATA, in order. */
  readonly records: readonly LibxcRecord[];
  /** Of each pfn the page type sent last, ABSENT where none was: small guests name a million. */
  readonly types: Uint8Array;
  /** Each pfn's page, where it has one with data. */
  readonly pages: ReadonlyMap<number, Buffer>;
  /** Pages sent, and frames named without a page, over all iterations. */
  readonly sentPages: number;
  readonly sentXalloc: number;
}

/** Reads the libxc part of a file of xl, or a file that is nothing but one. */
export function readImage(file: string): Image {
  const bytes = readFileSync(file);
  const start = bytes.toString("latin1", 0, XL_IDENT.length) === XL_IDENT ? libxcOffset(bytes) : 0;
  const records: LibxcRecord[] = [];
  const taken: Taken = { types: new Uint8Array(), pages: new Map(), sentPages: 0, sentXalloc: 0 };
  let offset = start + HEADERS_BYTES;
  for (;;) {
    const { type, body, next } = recordAt(bytes, offset);
    offset = next;
    if (type === PAGE_DATA) {
      takePages(body, taken);
    } else {
      records.push({ type, body });
    }
    if (type === END) {
      break;
    }
  }
  return {
    bytes: offset - start,
    headers: bytes.subarray(start, start + 40),
    records,
    ...taken,
  };
}

/** The pfns whose memory differs. An allocated frame without data is a page of zeroes. */
export function differingPfns(one: Image, other: Image): readonly number[] {
  return pfnsWhere(one, other, (pfn) => !samePage(one, other, pfn));
}

/**
 * What two images of one suspended guest differ in, page order and batches aside.
 *
 * @param again the guest saved once more by whoever saved `one`: words of records in which these
 *   two differ tell the time, and are not compared.
 */
export function differences(one: Image, other: Image, again: Image): readonly string[] {
  const found: string[] = [];
  if (!one.headers.equals(other.headers)) {
    found.push(`headers ${one.headers.toString("hex")} and ${other.headers.toString("hex")}`);
  }
  const order = ({ records }: Image) => records.map(({ type }) => type).join(" ");
  if (order(one) !== order(other)) {
    found.push(`records ${order(one)} and ${order(other)}`);
  } else {
    one.records.forEach(({ type, body }, index) => {
      const bodies = { other: other.records[index]!.body, again: again.records[index]!.body };
      const at = firstDifference(body, bodies);
      if (at !== undefined) {
        found.push(`record type ${type} (${body.length} bytes) from byte ${at}`);
      }
    });
  }
  const retyped = pfnsWhere(one, other, (pfn) => typeOf(one, pfn) !== typeOf(other, pfn));
  found.push(...listed("page types", retyped), ...listed("pages", differingPfns(one, other)));
  return found;
}

/**
 * The pfns which a restore itself writes to, so that a guest saved again without having run differs
 * there: a PV guest's table of frames and start info, an HVM guest's special pages.
 */
export function rewrittenByRestore(image: Image): ReadonlySet<number> {
  const pfns = new Set<number>();
  for (const { type, body } of image.records) {
    if (type === PV_P2M_FRAMES) {
      for (let offset = 8; offset < body.length; offset += 8) {
        pfns.add(Number(body.readBigUInt64LE(offset)));
      }
    } else if (type === PV_VCPU_BASIC && body.readUInt32LE(0) === 0) {
      const offset = body.length > 4096 ? EDX_OFFSET[64] : EDX_OFFSET[32];
      pfns.add(body.readUInt32LE(offset));
    } else if (type === HVM_PARAMS) {
      for (const pfn of specialPages(body)) {
        pfns.add(pfn);
      }
    }
  }
  return pfns;
}

/** Those which params name, and those that device models get one by one as they connect. */
function specialPages(params: Buffer): readonly number[] {
  const values = new Map<number, number>();
  for (let offset = 8; offset < params.length; offset += 16) {
    const index = Number(params.readBigUInt64LE(offset));
    values.set(index, Number(params.readBigUInt64LE(offset + 8)));
  }
  const first = values.get(IOREQ_SERVER_PFN) ?? 0;
  const count = values.get(NR_IOREQ_SERVER_PAGES) ?? 0;
  const ofServers = Array.from({ length: count }, (_, index) => first + index);
  return [...values.values(), ...ofServers];
}

/** Checkpoints of which a stream of xl has all, libxc's part and libxl's, as far as it goes. */
export function countCheckpoints(bytes: Buffer): number {
  let count = 0;
  try {
    let offset = libxcOffset(bytes) + HEADERS_BYTES;
    for (;;) {
      offset = behind(bytes, offset, CHECKPOINT);
      offset = behind(bytes, offset, LIBXL_CHECKPOINT_END);
      count += 1;
    }
  } catch {
    // It ends amid a record, as a stream does that still goes on.
    return count;
  }
}

/** Where the first record of a type ends, from a place where a record starts. */
function behind(bytes: Buffer, start: number, wanted: number): number {
  for (let offset = start; ; ) {
    const { type, next } = recordAt(bytes, offset);
    offset = next;
    if (type === wanted) {
      return offset;
    }
  }
}

function libxcOffset(bytes: Buffer): number {
  const offset = 48 + bytes.readUInt32LE(44);
  if (bytes.toString("latin1", offset, offset + 8) !== LIBXL_IDENT) {
    throw new Error("no libxl header after xl's");
  }
  return behind(bytes, offset + 16, LIBXL_CONTEXT);
}

function recordAt(bytes: Buffer, offset: number) {
  const type = bytes.readUInt32LE(offset);
  const lengthBytes = bytes.readUInt32LE(offset + 4);
  const end = offset + 8 + lengthBytes;
  if (end > bytes.length) {
    throw new Error(`the image is cut within a record of type ${type} at byte ${offset}`);
  }
  return { type, body: bytes.subarray(offset + 8, end), next: end + ((8 - (lengthBytes % 8)) % 8) };
}

interface Taken {
  types: Uint8Array;
  readonly pages: Map<number, Buffer>;
  sentPages: number;
  sentXalloc: number;
}

function takePages(body: Buffer, taken: Taken): void {
  const count = body.readUInt32LE(0);
  let offset = 8 + 8 * count;
  for (let index = 0; index < count; index += 1) {
    const high = body.readUInt32LE(8 + 8 * index + 4);
    const pfn = body.readUInt32LE(8 + 8 * index) + (high & 0xfffff) * 2 ** 32;
    const type = high >>> 28;
    if (pfn >= taken.types.length) {
      taken.types = enlarged(taken.types, pfn + 1);
    }
    taken.types[pfn] = type;
    if (type >= BROKEN) {
      taken.pages.delete(pfn);
      taken.sentXalloc += type === XALLOC ? 1 : 0;
    } else {
      taken.pages.set(pfn, body.subarray(offset, offset + PAGE_BYTES));
      offset += PAGE_BYTES;
      taken.sentPages += 1;
    }
  }
  if (offset !== body.length) {
    throw new Error(`PAGE_DATA of ${body.length} bytes, ${offset} by its head`);
  }
}

function enlarged(types: Uint8Array, length: number): Uint8Array {
  const larger = new Uint8Array(Math.max(length, 2 * types.length)).fill(ABSENT);
  larger.set(types);
  return larger;
}

function typeOf({ types }: Image, pfn: number): number {
  return types[pfn] ?? ABSENT;
}

function pfnsWhere(one: Image, other: Image, isWanted: (pfn: number) => boolean): number[] {
  const pfns: number[] = [];
  const pfnCount = Math.max(one.types.length, other.types.length);
  for (let pfn = 0; pfn < pfnCount; pfn += 1) {
    if (isWanted(pfn)) {
      pfns.push(pfn);
    }
  }
  return pfns;
}

const ZEROES = Buffer.alloc(PAGE_BYTES);

/** Also of two frames without memory. */
function samePage(one: Image, other: Image, pfn: number): boolean {
  const [left, right] = [pageOf(one, pfn), pageOf(other, pfn)];
  return left === right || (left !== undefined && right !== undefined && left.equals(right));
}

function pageOf(image: Image, pfn: number): Buffer | undefined {
  return typeOf(image, pfn) === XALLOC ? ZEROES : image.pages.get(pfn);
}

function firstDifference(
  body: Buffer,
  { other, again }: { readonly other: Buffer; readonly again: Buffer },
): number | undefined {
  if (body.length !== other.length) {
    return Math.min(body.length, other.length);
  }
  for (let offset = 0; offset < body.length; offset += WORD_BYTES) {
    const end = offset + WORD_BYTES;
    const word = body.subarray(offset, end);
    const isStable = word.equals(again.subarray(offset, end));
    if (isStable && !word.equals(other.subarray(offset, end))) {
      return offset;
    }
  }
  return undefined;
}

function listed(what: string, pfns: readonly number[]): readonly string[] {
  const some = pfns.slice(0, 8).map((pfn) => `0x${pfn.toString(16)}`);
  return pfns.length === 0 ? [] : [`${pfns.length} ${what}: pfn ${some.join(", ")}`];
}
