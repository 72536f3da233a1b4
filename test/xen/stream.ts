/**
 * A second reader of saved images, apart from the project's codec: it judges what that wrote.
 *
 * @source docs/specs/libxc-migration-stream.pandoc, docs/specs/libxl-migration-stream.pandoc.
 */
import { readFileSync } from "node:fs";

const PAGE_BYTES = 4096;
const XL_IDENT = "Xen saved domain, xl format";
const LIBXL_IDENT = "LibxlFmt";
const LIBXL_CONTEXT = 1;
const END = 0;
const PAGE_DATA = 1;
const PV_P2M_FRAMES = 3;
const PV_VCPU_BASIC = 4;
const TSC_INFO = 8;
const HVM_PARAMS = 10;
const XALLOC = 14;
const BROKEN = 13;
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
  /** Each pfn's page type as sent last. */
  readonly types: ReadonlyMap<number, number>;
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
  const types = new Map<number, number>();
  const pages = new Map<number, Buffer>();
  const sent = { pages: 0, xalloc: 0 };
  let offset = start + 40;
  for (;;) {
    const { type, body, next } = recordAt(bytes, offset);
    offset = next;
    if (type === PAGE_DATA) {
      takePages(body, { types, pages, sent });
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
    types,
    pages,
    sentPages: sent.pages,
    sentXalloc: sent.xalloc,
  };
}

/** The pfns whose memory differs. An allocated frame without data is a page of zeroes. */
export function differingPfns(one: Image, other: Image): readonly number[] {
  const pfns = new Set([...held(one), ...held(other)]);
  return [...pfns].filter((pfn) => !samePage(one, other, pfn)).sort((a, b) => a - b);
}

/** What two images of one suspended guest differ in, page order and batches aside. */
export function differences(one: Image, other: Image): readonly string[] {
  const found: string[] = [];
  if (!one.headers.equals(other.headers)) {
    found.push(`headers ${one.headers.toString("hex")} and ${other.headers.toString("hex")}`);
  }
  const order = ({ records }: Image) => records.map(({ type }) => type).join(" ");
  if (order(one) !== order(other)) {
    found.push(`records ${order(one)} and ${order(other)}`);
  } else {
    one.records.forEach(({ type, body }, index) => {
      const at = firstDifference(masked(type, body), masked(type, other.records[index]!.body));
      if (at !== undefined) {
        found.push(`record type ${type} (${body.length} bytes) from byte ${at}`);
      }
    });
  }
  const pfns = new Set([...one.types.keys(), ...other.types.keys()]);
  const retyped = [...pfns].filter((pfn) => one.types.get(pfn) !== other.types.get(pfn));
  const rewritten = differingPfns(one, other);
  found.push(...listed("page types", retyped), ...listed("pages", rewritten));
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
      for (let offset = 8; offset < body.length; offset += 16) {
        pfns.add(Number(body.readBigUInt64LE(offset + 8)));
      }
    }
  }
  return pfns;
}

function libxcOffset(bytes: Buffer): number {
  let offset = 48 + bytes.readUInt32LE(44);
  if (bytes.toString("latin1", offset, offset + 8) !== LIBXL_IDENT) {
    throw new Error("no libxl header after xl's");
  }
  offset += 16;
  for (;;) {
    const { type, next } = recordAt(bytes, offset);
    offset = next;
    if (type === LIBXL_CONTEXT) {
      return offset;
    }
  }
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
  readonly types: Map<number, number>;
  readonly pages: Map<number, Buffer>;
  readonly sent: { pages: number; xalloc: number };
}

function takePages(body: Buffer, { types, pages, sent }: Taken): void {
  const count = body.readUInt32LE(0);
  let offset = 8 + 8 * count;
  for (let index = 0; index < count; index += 1) {
    const high = body.readUInt32LE(8 + 8 * index + 4);
    const pfn = body.readUInt32LE(8 + 8 * index) + (high & 0xfffff) * 2 ** 32;
    const type = high >>> 28;
    types.set(pfn, type);
    if (type >= BROKEN) {
      pages.delete(pfn);
      sent.xalloc += type === XALLOC ? 1 : 0;
    } else {
      pages.set(pfn, body.subarray(offset, offset + PAGE_BYTES));
      offset += PAGE_BYTES;
      sent.pages += 1;
    }
  }
  if (offset !== body.length) {
    throw new Error(`PAGE_DATA of ${body.length} bytes, ${offset} by its head`);
  }
}

const ZEROES = Buffer.alloc(PAGE_BYTES);

function* held({ types }: Image): Generator<number> {
  for (const [pfn, type] of types) {
    if (type < BROKEN || type === XALLOC) {
      yield pfn;
    }
  }
}

function samePage(one: Image, other: Image, pfn: number): boolean {
  const pageOf = (image: Image) =>
    image.pages.get(pfn) ?? (image.types.get(pfn) === XALLOC ? ZEROES : undefined);
  const [left, right] = [pageOf(one), pageOf(other)];
  return left !== undefined && right !== undefined && left.equals(right);
}

/** TSC_INFO carries the time since boot, which a suspended guest goes on to have. */
function masked(type: number, body: Buffer): Buffer {
  if (type !== TSC_INFO) {
    return body;
  }
  const copy = Buffer.from(body);
  copy.fill(0, 8, 16);
  return copy;
}

function firstDifference(one: Buffer, other: Buffer): number | undefined {
  if (one.equals(other)) {
    return undefined;
  }
  const at = one.findIndex((byte, index) => byte !== other[index]);
  return at < 0 ? one.length : at;
}

function listed(what: string, pfns: readonly number[]): readonly string[] {
  const some = pfns.slice(0, 8).map((pfn) => `0x${pfn.toString(16)}`);
  return pfns.length === 0 ? [] : [`${pfns.length} ${what}: pfn ${some.join(", ")}`];
}
