import { type Entry, page } from "../golden/parts.ts";
import { join, octetsIn, text } from "./bytes.ts";

const o = octetsIn("little");

/** Registers of one vCPU, by what fills them. */
export interface VcpuParts {
  readonly basic: number;
  readonly extended?: number;
  /** Fill and octets of the XSAVE area. */
  readonly xsave?: readonly [fill: number, bytes: number];
}

/** Where the device model moved memory to; a name is written with its NUL. */
export interface PhysmapParts {
  readonly phys: number;
  readonly start: number;
  readonly size: number;
  readonly name?: string;
}

/** Builds the parts of a legacy stream as Xen's savers do, without the code that is tested. */
export class LegacyParts {
  readonly width: 32 | 64;

  constructor(width: 32 | 64) {
    this.width = width;
  }

  /** An `unsigned long` of the toolstack. */
  ulong(...values: readonly (number | bigint)[]): Uint8Array {
    return this.width === 64 ? o.u64(...values) : o.u32(...values.map(Number));
  }

  /** What xl writes before the stream; 4.5 has JSON with a NUL, older releases text without. */
  xlHeader(config: string, mandatoryFlags: 0 | 1): Uint8Array {
    const body = text(mandatoryFlags === 1 ? `${config}\0` : config);
    return join(
      text("Xen saved domain, xl format\n \0 \r"),
      o.u32(0x01020304, mandatoryFlags, 0, 4 + body.length),
      o.u32(body.length),
      body,
    );
  }

  xendHeader(config: string): Uint8Array {
    return join(text("LinuxGuestRecord"), octetsIn("big").u32(config.length), text(config));
  }

  p2mSize(pfnCount: number): Uint8Array {
    return this.ulong(pfnCount);
  }

  /** Marker and blocks; `xcnt` is left out where there is no XSAVE, as before 4.1. */
  extendedInfo(guestWidth: 4 | 8, xcnt?: number): Uint8Array {
    const blocks = [
      this.block("vcpu", new Uint8Array(guestWidth === 8 ? 0x1430 : 0xaf0).fill(0x77)),
      this.block("extv", new Uint8Array(0)),
      ...(xcnt === undefined ? [] : [this.block("xcnt", o.u32(xcnt))]),
    ];
    return this.extendedBlocks(...blocks);
  }

  extendedBlocks(...blocks: readonly Uint8Array[]): Uint8Array {
    const all = join(...blocks);
    const ones = this.width === 64 ? o.u64(0xffff_ffff_ffff_ffffn) : o.u32(0xffff_ffff);
    return join(ones, o.u32(all.length), all);
  }

  block(id: string, body: Uint8Array): Uint8Array {
    return join(text(id), o.u32(body.length), body);
  }

  /** Entries with their pages; {@link bareXtab} for those that say nothing. */
  batch(...entries: readonly Entry[]): Uint8Array {
    return join(this.batchHead(...entries), ...entries.flatMap(pageOf));
  }

  /** The same without pages, as in compressed checkpoints. */
  batchHead(...entries: readonly Entry[]): Uint8Array {
    const words = entries.map(([pfn, type]) => ((type << 28) | pfn) >>> 0);
    return join(o.u32(entries.length), this.ulong(...words));
  }

  chunk(id: number, ...body: readonly Uint8Array[]): Uint8Array {
    return join(o.u32(id >>> 0), ...body);
  }

  vcpuInfo(maxId: number, ...words: readonly bigint[]): Uint8Array {
    return this.chunk(-2, o.u32(maxId), o.u64(...words));
  }

  /** Mode, nanoseconds, kHz, incarnation. */
  tsc(): Uint8Array {
    return this.chunk(-7, o.u32(1), o.u64(123_456_789_012n), o.u32(2_400_000, 3));
  }

  param(id: number, value: number | bigint): Uint8Array {
    return this.chunk(id, o.u32(0), o.u64(value));
  }

  /** A 64-bit toolstack leaves four octets behind each name, of whatever was in memory. */
  toolstack(...entries: readonly PhysmapParts[]): Uint8Array {
    const body = join(
      o.u32(1, entries.length),
      ...entries.flatMap(({ phys, start, size, name }) => [
        o.u64(phys, start, size),
        o.u32(name === undefined ? 0 : name.length + 1),
        text(name === undefined ? "" : `${name}\0`),
        this.width === 64 ? o.u8(0xd1, 0xd1, 0xd1, 0xd1) : new Uint8Array(0),
      ]),
    );
    return this.chunk(-18, o.u32(body.length), body);
  }

  compressedData(...pages: readonly Uint8Array[]): Uint8Array {
    const packed = join(...pages);
    return this.chunk(-12, this.ulong(packed.length), packed);
  }

  end(): Uint8Array {
    return o.u32(0);
  }

  hvmTail(context: Uint8Array, pfns: readonly [number, number, number] = [21, 22, 23]) {
    return join(o.u64(...pfns), o.u32(context.length), context);
  }

  emulator(signature: string, state: Uint8Array): Uint8Array {
    const length = signature.startsWith("Qemu") ? new Uint8Array(0) : o.u32(state.length);
    return join(text(signature), length, state);
  }

  pvTail(
    guestWidth: 4 | 8,
    unmapped: readonly number[],
    ...vcpus: readonly VcpuParts[]
  ): Uint8Array {
    return join(
      o.u32(unmapped.length),
      this.ulong(...unmapped),
      ...vcpus.flatMap((vcpu) => vcpuOf(guestWidth, vcpu)),
      page(7, 0x51),
    );
  }
}

/** An entry of a frame that could not be mapped, without its number. */
export const bareXtab: Entry = [0, 15];

function pageOf([pfn, type, fill = 0]: Entry): readonly Uint8Array[] {
  if (type >= 13) {
    return [];
  }
  return [typeof fill === "number" ? page(pfn, fill) : fill];
}

function vcpuOf(guestWidth: 4 | 8, { basic, extended, xsave }: VcpuParts): readonly Uint8Array[] {
  const parts: Uint8Array[] = [new Uint8Array(guestWidth === 8 ? 0x1430 : 0xaf0).fill(basic)];
  if (extended !== undefined) {
    parts.push(new Uint8Array(128).fill(extended));
  }
  if (xsave !== undefined) {
    const [fill, bytes] = xsave;
    parts.push(join(o.u64(7, bytes), new Uint8Array(bytes).fill(fill)));
  }
  return parts;
}
