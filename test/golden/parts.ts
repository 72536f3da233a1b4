import { join, type Octets, type Order, octetsIn, text } from "../support/bytes.ts";

/** Page types by the names of the spec. */
export const T = {
  NOTAB: 0,
  L1: 1,
  L2: 2,
  L3: 3,
  L4: 4,
  L1_PIN: 9,
  L2_PIN: 10,
  L3_PIN: 11,
  L4_PIN: 12,
  BROKEN: 13,
  XALLOC: 14,
  XTAB: 15,
} as const;

/** Frame number, page type, and the page if the type has one, or what fills it. */
export type Entry = readonly [pfn: number, type: number, fill?: number | Uint8Array];

/** Frames that a PV guest's registers name. */
export interface VcpuFrames {
  readonly startInfo: number;
  readonly topTable: number;
  /** Of a full frame of descriptors; none unless said. */
  readonly gdt?: number;
}

/** Octets of a PV guest's registers, and where in them are those that name frames. */
const VCPU_BASIC = {
  4: { bytes: 2800, edx: 524, gdtFrames: 2640, gdtEntries: 2704, cr3: 2728 },
  8: { bytes: 5168, edx: 616, gdtFrames: 4832, gdtEntries: 4960, cr3: 5008 },
} as const;

/** Where in a PV guest's start info the frames of xenstore and console are named. */
const START_INFO = { 4: { store: 44, console: 52 }, 8: { store: 56, console: 72 } } as const;

/** Builds the parts of a stream from what the specs say, without the code that is tested. */
export class Parts {
  readonly #order: Order;
  readonly o: Octets;
  /** Fields of image header and libxl header are big-endian whatever the order. */
  readonly #net = octetsIn("big");

  constructor(order: Order = "little") {
    this.#order = order;
    this.o = octetsIn(order);
  }

  xlHeader(config: string, flags = { mandatory: 3, optional: 0 }): Uint8Array {
    const { u32 } = this.o;
    const json = text(`${config}\0`);
    return join(
      text("Xen saved domain, xl format\n \0 \r"),
      u32(0x01020304, flags.mandatory, flags.optional, 4 + json.length),
      u32(json.length),
      json,
    );
  }

  libxlHeader(options = this.#order === "big" ? 1 : 0): Uint8Array {
    return join(text("LibxlFmt"), this.#net.u32(2, options));
  }

  libxcHeaders(
    version: number,
    guestType: number,
    xen: readonly [number, number] = [4, 17],
  ): Uint8Array {
    const { u16, u32 } = this.#net;
    const options = this.#order === "big" ? 1 : 0;
    return join(
      u32(0xffffffff, 0xffffffff, 0x58454e46, version),
      u16(options, 0, 0, 0),
      this.o.u32(guestType),
      this.o.u16(12, 0),
      this.o.u32(...xen),
    );
  }

  record(type: number, ...body: readonly Uint8Array[]): Uint8Array {
    const whole = join(...body);
    const padding = new Uint8Array((8 - (whole.length % 8)) % 8);
    return join(this.o.u32(type, whole.length), whole, padding);
  }

  pageData(...entries: readonly Entry[]): Uint8Array {
    const words = entries.map(([pfn, type]) => (BigInt(type) << 60n) | BigInt(pfn));
    const pages = entries
      .filter(([, type]) => type <= 4 || (type >= 9 && type <= 12))
      .map(([pfn, , fill = 0]) => (typeof fill === "number" ? page(pfn, fill) : fill));
    return this.record(1, this.o.u32(entries.length, 0), this.o.u64(...words), ...pages);
  }

  pvInfo(width: 4 | 8): Uint8Array {
    return this.record(2, this.o.u8(width, width === 8 ? 4 : 3, 0, 0, 0, 0, 0, 0));
  }

  p2mFrames(endPfn: number, ...pfns: readonly number[]): Uint8Array {
    return this.record(3, this.o.u32(0, endPfn), this.o.u64(...pfns));
  }

  /** The start info's page, which names two more frames. */
  startInfo(
    width: 4 | 8,
    frames: { readonly store: number; readonly console: number },
  ): Uint8Array {
    const { u32, u64 } = octetsIn("little");
    const bytes = new Uint8Array(4096);
    const number = (value: number) => (width === 8 ? u64(value) : u32(value));
    bytes.set(text("xen-3.0-x86"));
    bytes.set(number(frames.store), START_INFO[width].store);
    bytes.set(number(frames.console), START_INFO[width].console);
    return bytes;
  }

  /** X86_PV_VCPU_BASIC of a guest that can be restored; its context is little-endian always. */
  vcpuBasic(width: 4 | 8, vcpu: number, { startInfo, topTable, gdt }: VcpuFrames): Uint8Array {
    const { u32, u64 } = octetsIn("little");
    const { bytes, edx, gdtFrames, gdtEntries, cr3 } = VCPU_BASIC[width];
    const context = new Uint8Array(bytes);
    const number = (value: number) => (width === 8 ? u64(value) : u32(value));
    context.set(number(startInfo), edx);
    context.set(number(topTable * 4096), cr3);
    if (gdt !== undefined) {
      context.set(number(gdt), gdtFrames);
      context.set(number(512), gdtEntries);
    }
    return this.record(4, this.o.u32(vcpu, 0), context);
  }

  /** One of the four vCPU records; an empty one is an erratum of old Xen. */
  vcpu(type: number, vcpu: number, contextBytes: number): Uint8Array {
    const context = Uint8Array.from({ length: contextBytes }, (_, at) => (at * 7 + vcpu) & 0xff);
    return this.record(type, this.o.u32(vcpu, 0), context);
  }

  sharedInfo(): Uint8Array {
    return this.record(7, page(7, 0x51));
  }

  tscInfo(): Uint8Array {
    return this.record(8, this.o.u32(1, 2_400_000), this.o.u64(123_456_789_012n), this.o.u32(3, 0));
  }

  /** A header, the offset of vCPU 0's time stamp counter, and the end; little-endian always. */
  hvmContext(tscAdjust = 0): Uint8Array {
    return this.record(9, this.hvmContextBody(tscAdjust));
  }

  hvmContextBody(tscAdjust = 0): Uint8Array {
    const { u16, u32, u64 } = octetsIn("little");
    const entry = (typecode: number, content: Uint8Array) =>
      join(u16(typecode, 0), u32(content.length), content);
    const header = join(u32(0x5438_1286, 1), u64(0), u32(0x0005_06e3, 2_400_000));
    const end = new Uint8Array(0);
    return join(entry(1, header), entry(19, u64(tscAdjust)), entry(0, end));
  }

  hvmParams(...params: readonly (readonly [number, number])[]): Uint8Array {
    return this.record(10, this.o.u32(params.length, 0), this.o.u64(...params.flat()));
  }

  cpuidPolicy(): Uint8Array {
    return this.record(17, this.o.u32(0, 0xffffffff, 13, 1, 2, 3, 1, 0xffffffff, 4, 5, 6, 7));
  }

  msrPolicy(): Uint8Array {
    return this.record(18, this.o.u32(0xce, 0), this.o.u64(0x80000000));
  }

  /** EMULATOR_XENSTORE_DATA of libxl. */
  xenstoreData(emulator: number, ...strings: readonly string[]): Uint8Array {
    const data = text(strings.map((string) => `${string}\0`).join(""));
    return this.record(2, this.o.u32(emulator, 0), data);
  }

  /** EMULATOR_CONTEXT of libxl; starts as QEMU's own does. */
  emulatorContext(emulator: number, bytes = 21): Uint8Array {
    const blob = Uint8Array.from({ length: bytes }, (_, at) => 0xf0 ^ at);
    blob.set(join(text("QEVM"), Uint8Array.of(0, 0, 0, 3)).subarray(0, bytes));
    return this.record(3, this.o.u32(emulator, 0), blob);
  }

  /** END, VERIFY, CHECKPOINT, STATIC_DATA_END; LIBXC_CONTEXT, CHECKPOINT_END. */
  signal(type: number): Uint8Array {
    return this.record(type);
  }
}

/** A page whose octets depend on its place, so that a page out of place shows. */
export function page(pfn: number, fill: number): Uint8Array {
  const bytes = new Uint8Array(4096).fill(fill);
  if (fill !== 0) {
    bytes.set(octetsIn("little").u64(pfn, fill));
  }
  return bytes;
}
