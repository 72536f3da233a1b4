import { type Entry, Parts, T } from "../golden/parts.ts";
import { join, text } from "./bytes.ts";
import { LegacyParts } from "./legacy-writer.ts";

/** Of a 64-bit toolstack. */
export const old = new LegacyParts(64);
export const PAGES: readonly Entry[] = [
  [3, T.NOTAB, 0x33],
  [4, T.XALLOC],
];
export const CONTEXT = new Parts().hvmContextBody();
/** What libxl writes before the device model's state. */
export const RECORD = "DeviceModelRecord0002";

/** An HVM guest's stream of either width, with every kind of part. */
export function hvm(width: 32 | 64): Uint8Array {
  const own = new LegacyParts(width);
  return join(
    own.p2mSize(16),
    own.batch(...PAGES),
    own.tsc(),
    own.chunk(-1),
    own.vcpuInfo(0, 1n),
    own.param(-3, 5),
    own.toolstack({ phys: 1, start: 2, size: 3, name: "vga" }),
    own.chunk(-9),
    own.end(),
    own.hvmTail(CONTEXT),
    own.emulator(RECORD, text("state")),
  );
}

/** A PV guest's. */
export function pv(width: 32 | 64): Uint8Array {
  const own = new LegacyParts(width);
  return join(
    own.p2mSize(16),
    own.extendedInfo(4, 848),
    own.ulong(3),
    own.batch(...PAGES),
    own.vcpuInfo(0, 1n),
    own.chunk(-9),
    own.end(),
    own.pvTail(4, [9], { basic: 1, extended: 2, xsave: [3, 24] }),
  );
}

export const STREAMS = [
  ["HVM of a 32-bit toolstack", hvm(32)],
  ["HVM of a 64-bit toolstack", hvm(64)],
  ["PV of a 32-bit toolstack", pv(32)],
  ["PV of a 64-bit toolstack", pv(64)],
] as const;

/** Parts of an HVM stream in front of, and behind, what a test puts into its body. */
export const before = join(old.p2mSize(16), old.batch(...PAGES));
export const after = join(
  old.vcpuInfo(0, 1n),
  old.chunk(-9),
  old.end(),
  old.hvmTail(CONTEXT),
  old.emulator(RECORD, text("state")),
);
