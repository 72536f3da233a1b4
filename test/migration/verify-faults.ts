import { Parts, page, T } from "../golden/parts.ts";
import { hex, join, text } from "../support/bytes.ts";

const parts = new Parts();
const { u8, u32, u64 } = parts.o;
const END = parts.signal(0);
const STATIC_DATA_END = parts.signal(16);
const CHECKPOINT = parts.signal(14);
const VERIFY = parts.signal(13);
const STATE = join(parts.tscInfo(), parts.hvmParams([1, 1]), parts.hvmContext());
const PAGES = parts.pageData([1, T.NOTAB, 0x11], [2, T.XTAB]);
const PV_PAGES = parts.pageData(
  [1, T.NOTAB, parts.startInfo(8, { store: 1, console: 8 })],
  [2, T.L4_PIN, 0x12],
  [8, T.NOTAB, 0x18],
);
const VCPU = parts.vcpuBasic(8, 0, { startInfo: 1, topTable: 2 });

/** An HVM guest in libxc alone. */
function hvm(...records: readonly Uint8Array[]): Uint8Array {
  return join(parts.libxcHeaders(3, 2), ...records);
}

/** A PV guest up to its memory, in libxc alone. */
function pv(...records: readonly Uint8Array[]): Uint8Array {
  const start = join(parts.pvInfo(8), STATIC_DATA_END, parts.p2mFrames(511, 8));
  return join(parts.libxcHeaders(3, 1), start, ...records);
}

function pvEnd(...records: readonly Uint8Array[]): Uint8Array {
  return pv(PV_PAGES, parts.tscInfo(), parts.sharedInfo(), VCPU, ...records, END);
}

/** An HVM guest inside libxl, with libxl records behind it. */
function libxl(...records: readonly Uint8Array[]): Uint8Array {
  return join(parts.libxlHeader(), parts.signal(1), SOUND_HVM, ...records);
}

const SOUND_HVM = hvm(STATIC_DATA_END, PAGES, STATE, END);

/** With a configuration in front. */
function xl(config: string, ...records: readonly Uint8Array[]): Uint8Array {
  return join(parts.xlHeader(config), libxl(...records));
}

function patch(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const patched = bytes.slice();
  patched[at] = value;
  return patched;
}

/** Its name, the stream, and "severity CODE record" of every finding. */
export type Fault = readonly [name: string, bytes: Uint8Array, ...told: readonly string[]];

/** Streams with one fault each. */
export const FAULTS: readonly Fault[] = [
  // Headers.
  ["image options", patch(SOUND_HVM, 16, 0x80), "violated STREAM_RESERVED -"],
  ["image reserved field", patch(SOUND_HVM, 23, 1), "violated STREAM_RESERVED -"],
  ["domain reserved field", patch(SOUND_HVM, 30, 1), "violated STREAM_RESERVED -"],
  ["libxl options", patch(libxl(END), 15, 4), "violated STREAM_RESERVED -"],
  ["xl optional flags", patch(xl("{}", END), 40, 1), "suspicious STREAM_XL_OPTIONAL_FLAGS -"],
  ["xl config not JSON", xl("name = 'x'", END), "refused STREAM_XL_CONFIG -"],
  ["xl without config", join(xlWithout(), libxl(END)), "refused STREAM_XL_CONFIG -"],
  ["guest type", patch(SOUND_HVM, 24, 7), "refused STREAM_GUEST_TYPE -"],
  ["garbage after END", join(SOUND_HVM, text("x")), "violated STREAM_TRAILING_DATA -"],

  // Framing.
  ["padding", hvmWith(u32(0x8000_0005, 1), u64(0x700)), "violated RECORD_PADDING 2147483653"],
  ["unknown record", hvmWith(parts.record(0x13)), "refused RECORD_UNKNOWN 0x13"],
  [
    "END with a body",
    hvm(STATIC_DATA_END, PAGES, STATE, parts.record(0, u8(1))),
    "violated RECORD_LENGTH END",
  ],

  [
    "alignment",
    hvmWith(parts.record(0x8044_4150, u8(0, 1))),
    "suspicious RECORD_RESERVED PAGE_ALIGNMENT",
  ],

  // PAGE_DATA.
  ["reserved field", hvmPages(1, 1n), "violated RECORD_RESERVED PAGE_DATA"],
  ["reserved bits", hvmPages(0, 0x0ff0_0000_0000_0001n), "violated PAGE_DATA_RESERVED PAGE_DATA"],
  ["page type 6", hvmPages(0, 0x6000_0000_0000_0001n), "refused PAGE_DATA_TYPE PAGE_DATA"],
  ["pfn of 33 bits", hvmPages(0, 0x0000_0001_0000_0000n), "refused PAGE_DATA_PFN PAGE_DATA"],
  ["no pages", hvmWith(parts.record(1, u32(0, 0))), "refused PAGE_DATA_COUNT PAGE_DATA"],
  [
    "page missing",
    hvmWith(parts.record(1, u32(1, 0), u64(5))),
    "refused PAGE_DATA_LENGTH PAGE_DATA",
  ],

  // Bodies.
  [
    "TSC reserved",
    hvmState(patch(parts.tscInfo(), 28, 1)),
    "violated RECORD_RESERVED X86_TSC_INFO",
  ],
  ["TSC length", hvmState(parts.record(8, u32(1))), "refused RECORD_LENGTH X86_TSC_INFO"],
  [
    "no params (erratum)",
    hvm(STATIC_DATA_END, PAGES, parts.tscInfo(), parts.hvmParams(), parts.hvmContext(), END),
    "suspicious RECORD_EMPTY HVM_PARAMS",
  ],
  [
    "params reserved",
    hvm(
      STATIC_DATA_END,
      PAGES,
      parts.tscInfo(),
      patch(parts.hvmParams([1, 1]), 12, 1),
      parts.hvmContext(),
      END,
    ),
    "violated RECORD_RESERVED HVM_PARAMS",
  ],
  [
    "empty context",
    hvm(STATIC_DATA_END, PAGES, parts.tscInfo(), parts.hvmParams([1, 1]), parts.record(9), END),
    "refused RECORD_LENGTH HVM_CONTEXT",
  ],
  ["toolstack", hvmWith(parts.record(11)), "refused RECORD_NOT_RESTORABLE TOOLSTACK"],
  [
    "back channel",
    hvmWith(parts.record(15, u64(1))),
    "refused RECORD_BACK_CHANNEL CHECKPOINT_DIRTY_PFN_LIST",
  ],
  ["policy length", hvmStatic(parts.record(17, u64(1))), "refused RECORD_LENGTH X86_CPUID_POLICY"],
  [
    "MSR flags",
    hvmStatic(parts.record(18, u32(0xce, 1), u64(1))),
    "refused RECORD_VALUE X86_MSR_POLICY",
  ],
  [
    "width and levels",
    join(parts.libxcHeaders(3, 1), patch(parts.pvInfo(8), 9, 3), pvEnd().subarray(40 + 16)),
    "refused RECORD_VALUE X86_PV_INFO",
  ],
  [
    "too few p2m frames",
    join(pvEnd().subarray(0, 64), parts.p2mFrames(512, 8), pvEnd().subarray(64 + 24)),
    "refused RECORD_LENGTH X86_PV_P2M_FRAMES",
  ],
  [
    "vCPU of another width",
    pvEnd(parts.vcpu(4, 1, 2800)),
    "refused RECORD_LENGTH X86_PV_VCPU_BASIC",
  ],
  ["extended too long", pvEnd(parts.vcpu(5, 0, 136)), "refused RECORD_LENGTH X86_PV_VCPU_EXTENDED"],
  ["xsave too short", pvEnd(parts.vcpu(6, 0, 8)), "refused RECORD_LENGTH X86_PV_VCPU_XSAVE"],
  ["half an MSR", pvEnd(parts.vcpu(12, 0, 24)), "refused RECORD_LENGTH X86_PV_VCPU_MSRS"],
  [
    "empty vCPU (erratum)",
    pvEnd(parts.vcpu(5, 0, 0)),
    "suspicious RECORD_EMPTY X86_PV_VCPU_EXTENDED",
  ],
  ["vCPU twice", pvEnd(VCPU), "suspicious ORDER_REPEATED X86_PV_VCPU_BASIC"],
  ["vCPU id", pvEnd(parts.vcpu(4, 8192, 5168)), "refused RECORD_VALUE X86_PV_VCPU_BASIC"],
  [
    "vCPU reserved",
    pvEnd(patch(parts.vcpu(5, 0, 8), 12, 1)),
    "violated RECORD_RESERVED X86_PV_VCPU_EXTENDED",
  ],
  [
    "shared info",
    pv(PV_PAGES, parts.tscInfo(), parts.record(7, u64(1)), VCPU, END),
    "refused RECORD_LENGTH SHARED_INFO",
  ],

  // libxl's bodies.
  ["emulator id", libxl(parts.emulatorContext(3), END), "violated RECORD_VALUE EMULATOR_CONTEXT"],
  [
    "emulator length",
    libxl(parts.record(3, u32(2)), END),
    "refused RECORD_LENGTH EMULATOR_CONTEXT",
  ],
  [
    "empty emulator",
    libxl(parts.emulatorContext(2, 0), END),
    "refused RECORD_EMPTY EMULATOR_CONTEXT",
  ],
  [
    "emulator of a PVH guest",
    xl('{"c_info":{"type":"pvh"}}', parts.emulatorContext(2), END),
    "refused RECORD_GUEST_TYPE EMULATOR_CONTEXT",
  ],
  [
    "emulator of a PV guest",
    join(parts.libxlHeader(), parts.signal(1), pvEnd(), parts.emulatorContext(2), END),
    "refused RECORD_GUEST_TYPE EMULATOR_CONTEXT",
  ],
  [
    "xenstore key",
    libxl(parts.xenstoreData(2, "a key", "x"), END),
    "violated RECORD_VALUE EMULATOR_XENSTORE_DATA",
  ],
  [
    "xenstore value missing",
    libxl(parts.xenstoreData(2, "key"), END),
    "refused RECORD_VALUE EMULATOR_XENSTORE_DATA",
  ],

  // Order in libxc.
  [
    "v3 without STATIC_DATA_END",
    hvm(PAGES, STATE, END),
    "refused ORDER_STATIC_DATA_MISSING PAGE_DATA",
    "violated ORDER_STATIC_DATA_MISSING X86_TSC_INFO",
    "violated ORDER_STATIC_DATA_MISSING HVM_PARAMS",
    "violated ORDER_STATIC_DATA_MISSING HVM_CONTEXT",
    "violated ORDER_MISSING END",
  ],
  ["STATIC_DATA_END twice", hvmWith(STATIC_DATA_END), "refused ORDER_REPEATED STATIC_DATA_END"],
  [
    "policy twice",
    hvmStatic(parts.msrPolicy(), parts.msrPolicy()),
    "suspicious ORDER_REPEATED X86_MSR_POLICY",
  ],
  ["late policy", hvmWith(parts.cpuidPolicy()), "violated ORDER_STATIC_DATA_LATE X86_CPUID_POLICY"],
  [
    "v2 with policy",
    join(parts.libxcHeaders(2, 2), parts.msrPolicy(), PAGES, STATE, END),
    "violated ORDER_STATIC_DATA_VERSION X86_MSR_POLICY",
  ],
  ["PV_INFO in HVM", hvmWith(parts.pvInfo(8)), "refused RECORD_GUEST_TYPE X86_PV_INFO"],
  ["SHARED_INFO in HVM", hvmWith(parts.sharedInfo()), "refused RECORD_GUEST_TYPE SHARED_INFO"],
  ["HVM_PARAMS in PV", pvEnd(parts.hvmParams([1, 1])), "refused RECORD_GUEST_TYPE HVM_PARAMS"],
  [
    "TSC twice",
    hvmState(parts.tscInfo(), parts.tscInfo()),
    "suspicious ORDER_REPEATED X86_TSC_INFO",
  ],
  [
    "context before params, as Xen writes it",
    hvm(STATIC_DATA_END, PAGES, parts.tscInfo(), parts.hvmContext(), parts.hvmParams([1, 1]), END),
    "suspicious ORDER_DEPENDENCY HVM_CONTEXT",
  ],
  [
    "no state",
    hvm(STATIC_DATA_END, PAGES, END),
    "suspicious ORDER_MISSING END",
    "refused ORDER_MISSING END",
    "suspicious ORDER_MISSING END",
  ],
  ["no memory", hvm(STATIC_DATA_END, STATE, END), "suspicious ORDER_MISSING END"],
  ["PV_INFO twice", pvInfoTwice(), "refused ORDER_REPEATED X86_PV_INFO"],
  [
    "memory before p2m",
    join(
      parts.libxcHeaders(3, 1),
      parts.pvInfo(8),
      STATIC_DATA_END,
      PV_PAGES,
      parts.p2mFrames(511, 8),
      parts.tscInfo(),
      parts.sharedInfo(),
      VCPU,
      END,
    ),
    "refused ORDER_DEPENDENCY PAGE_DATA",
  ],
  ["memory after vCPUs", pvEnd(PV_PAGES), "violated ORDER_DEPENDENCY PAGE_DATA"],
  [
    "VERIFY before memory",
    hvm(STATIC_DATA_END, VERIFY, PAGES, STATE, END),
    "violated ORDER_DEPENDENCY VERIFY",
    "suspicious PAGE_DATA_VERIFY_NEW PAGE_DATA",
  ],
  ["memory after verified memory", hvmWith(VERIFY, PAGES, parts.record(0x80000005), PAGES)],
  [
    "state between verified memory",
    hvm(STATIC_DATA_END, PAGES, VERIFY, PAGES, STATE, PAGES, END),
    "suspicious ORDER_VERIFY PAGE_DATA",
  ],
  [
    "checkpoint after VERIFY",
    hvm(STATIC_DATA_END, PAGES, VERIFY, PAGES, STATE, CHECKPOINT, END),
    "suspicious ORDER_DEPENDENCY CHECKPOINT",
  ],

  // Order in libxl.
  ["no LIBXC_CONTEXT", join(parts.libxlHeader(), END), "refused ORDER_MISSING END"],
  [
    "LIBXC_CONTEXT twice",
    libxl(parts.signal(1), SOUND_HVM, END),
    "refused ORDER_REPEATED LIBXC_CONTEXT",
  ],
  ["CHECKPOINT_END alone", libxl(parts.signal(4), END), "refused ORDER_CHECKPOINT CHECKPOINT_END"],
  [
    "CHECKPOINT_STATE alone",
    libxl(parts.record(5, u32(0)), END),
    "refused ORDER_CHECKPOINT CHECKPOINT_STATE",
  ],
  ["END in a checkpoint", checkpointed(END), "refused ORDER_CHECKPOINT END"],
  [
    "CHECKPOINT_STATE back",
    checkpointed(parts.signal(4), parts.record(5, u32(1)), END, END),
    "refused RECORD_BACK_CHANNEL CHECKPOINT_STATE",
  ],
  [
    "CHECKPOINT_STATE unknown",
    checkpointed(parts.signal(4), parts.record(5, u32(9)), END, END),
    "refused RECORD_VALUE CHECKPOINT_STATE",
  ],
];

/** xl's header with no optional data. */
function xlWithout(): Uint8Array {
  const magic = text("Xen saved domain, xl format\n \0 \r");
  return join(magic, hex("04030201 03000000 00000000 00000000"));
}

function hvmWith(...records: readonly Uint8Array[]): Uint8Array {
  return hvm(STATIC_DATA_END, PAGES, ...records, STATE, END);
}

function hvmStatic(...records: readonly Uint8Array[]): Uint8Array {
  return hvm(...records, STATIC_DATA_END, PAGES, STATE, END);
}

/** A sound stream but for its TSC record. */
function hvmState(...tsc: readonly Uint8Array[]): Uint8Array {
  const rest = join(parts.hvmParams([1, 1]), parts.hvmContext());
  return hvm(STATIC_DATA_END, PAGES, ...tsc, rest, END);
}

/** One pfn word of a page with data, and the reserved field before it. */
function hvmPages(reserved: number, word: bigint): Uint8Array {
  return hvmWith(parts.record(1, u32(1, reserved), u64(word), page(1, 0x22)));
}

function pvInfoTwice(): Uint8Array {
  const sound = pvEnd();
  return join(sound.subarray(0, 56), parts.pvInfo(8), sound.subarray(56));
}

/** A checkpoint and what libxl has in it. */
function checkpointed(...records: readonly Uint8Array[]): Uint8Array {
  const libxc = hvm(STATIC_DATA_END, PAGES, STATE, CHECKPOINT);
  return join(parts.libxlHeader(), parts.signal(1), libxc, ...records);
}

/** Streams of the same making without a fault. */
export const SOUND: readonly Uint8Array[] = [
  SOUND_HVM,
  pvEnd(),
  libxl(END),
  xl("{}", END),
  hvmWith(parts.record(0x8044_4150, u8(0))),
];

/** A stream with so many findings. */
export function withEmptyContexts(count: number): Uint8Array {
  return hvmWith(...Array.from({ length: count }, () => parts.record(9)));
}
