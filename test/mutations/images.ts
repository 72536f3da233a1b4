import { type Entry, Parts, T } from "../golden/parts.ts";
import { join, octetsIn } from "../support/bytes.ts";
import type { Kind } from "./mutation.ts";
import { XC, XL } from "./pieces.ts";

const PV = 1;
const HVM = 2;
const parts = new Parts();
const { u32 } = octetsIn("little");

/** What xl writes of a guest with 1 MiB, as far as it matters to a reader. */
function config(type: "pv" | "pvh" | "hvm"): string {
  const memory = '"max_vcpus": 1, "max_memkb": 1024, "target_memkb": 1024, "video_memkb": 0';
  const model = type === "hvm" ? ', "device_model_version": "qemu_xen"' : "";
  return `{ "c_info": { "type": "${type}", "name": "small" }, "b_info": { ${memory}${model} } }`;
}

const HVM_PAGES: readonly Entry[] = [
  [0, T.NOTAB, 0x11],
  [1, T.NOTAB, 0x12],
  [2, T.NOTAB],
  [3, T.XTAB],
];
const SPECIAL_PAGES: readonly Entry[] = [
  [4, T.NOTAB, 0x14],
  [0xfeffc, T.NOTAB],
  [0xfefff, T.NOTAB],
];

function xl(type: "pv" | "pvh" | "hvm", libxc: Uint8Array, ...after: readonly Uint8Array[]) {
  return join(
    parts.xlHeader(config(type)),
    parts.libxlHeader(),
    parts.signal(XL.LIBXC_CONTEXT),
    libxc,
    ...after,
    parts.signal(XL.END),
  );
}

/** Whose addresses have 40 bits. */
function policies(): Uint8Array {
  const leaves = u32(0, 0xffffffff, 13, 1, 2, 3, 0x8000_0008, 0xffffffff, 0x3028, 0, 0, 0);
  return join(parts.record(XC.CPUID_POLICY, leaves), parts.msrPolicy());
}

/** In the order of Xen's own writer: the context before the params. */
function hvm(): Uint8Array {
  return join(
    parts.libxcHeaders(3, HVM),
    policies(),
    parts.signal(XC.STATIC_DATA_END),
    parts.pageData(...HVM_PAGES),
    parts.pageData(...SPECIAL_PAGES),
    parts.tscInfo(),
    parts.hvmContext(),
    parts.hvmParams([1, 0xfeffc], [17, 0xfefff]),
    parts.signal(XC.END),
  );
}

function pv(width: 4 | 8): Uint8Array {
  const pages: readonly Entry[] = [
    [5, T.NOTAB, 0x15],
    [7, T.NOTAB, 0x17],
    [8, T.NOTAB, 0x18],
    [9, T.NOTAB, 0x19],
    [10, T.NOTAB, parts.startInfo(width, { store: 8, console: 9 })],
    [11, T.L1, 0x1a],
    [12, width === 8 ? T.L4_PIN : T.L3_PIN, 0x1c],
    [13, T.NOTAB, 0x1d],
    [14, T.XTAB],
    [15, T.XALLOC],
  ];
  const late: readonly Entry[] = [
    [1500, T.NOTAB, 0x66],
    [7, T.NOTAB, 0x27],
  ];
  return join(
    parts.libxcHeaders(3, PV),
    parts.pvInfo(width),
    policies(),
    parts.signal(XC.STATIC_DATA_END),
    width === 8 ? parts.p2mFrames(2047, 8, 9, 13, 8) : parts.p2mFrames(2047, 8, 9),
    parts.pageData(...pages),
    parts.pageData(...late),
    parts.tscInfo(),
    parts.sharedInfo(),
    parts.vcpuBasic(width, 0, { startInfo: 10, topTable: 12, gdt: 13 }),
    parts.vcpu(XC.VCPU_EXTENDED, 0, 64),
    parts.vcpu(XC.VCPU_XSAVE, 0, 576),
    parts.signal(XC.END),
  );
}

/** A small sound image of each kind. */
export function smallImage(kind: Kind): Uint8Array {
  switch (kind) {
    case "pvh":
      return xl("pvh", hvm());
    case "hvm":
      return xl("hvm", hvm(), parts.emulatorContext(2));
    case "pv64":
      return xl("pv", pv(8));
    case "pv32":
      return xl("pv", pv(4));
  }
}
