import { at, hex, hexList, type Layout, layout, pad, struct } from "./layout.ts";

/** Octets of the region FXSAVE writes, and of the header of XSAVE behind it. */
const FXSAVE_BYTES = 512;
const XSAVE_HEADER_BYTES = 64;

/** The region FXSAVE writes. @source Intel SDM 1, 10.5.1 */
export const FXSAVE: Layout = layout(
  hex(16, "fcw fsw"),
  hex(8, "ftw"),
  pad(1),
  hex(16, "fop"),
  hex(64, "fpuip fpudp"),
  hex(32, "mxcsr mxcsr_mask"),
  hexList("st", { bits: 80, count: 8, strideBytes: 16 }),
  hexList("xmm", { bits: 128, count: 16 }),
  at(FXSAVE_BYTES),
);

/** XCR0 with all that was ever set in it, and what XSAVE wrote without what depends on the CPU. */
export const XSAVE_HEAD: Layout = layout(
  hex(64, "xcr0 xcr0_accum"),
  struct("fpu", FXSAVE),
  hex(64, "xstate_bv xcomp_bv"),
  pad(XSAVE_HEADER_BYTES - 16),
);

/** Names of the state components, by their bits in XCR0, XSS and XSTATE_BV. */
const XSTATE_COMPONENTS: readonly (string | undefined)[] = [
  "x87",
  "sse",
  "avx",
  "bndregs",
  "bndcsr",
  "opmask",
  "zmm_hi256",
  "hi16_zmm",
  "pt",
  "pkru",
  "pasid",
  "cet_u",
  "cet_s",
  "hdc",
  "uintr",
  "lbr",
  "hwp",
  "xtilecfg",
  "xtiledata",
  "apx",
];
/** AMD's lightweight profiling has the highest but one. */
const XSTATE_LWP_BIT = 62;

/** Names of the components in a mask; `bit N` for those without one. */
export function xstateNames(mask: bigint): readonly string[] {
  const bits = Array.from({ length: 63 }, (_, bit) => bit);
  return bits
    .filter((bit) => ((mask >> BigInt(bit)) & 1n) !== 0n)
    .map((bit) => (bit === XSTATE_LWP_BIT ? "lwp" : (XSTATE_COMPONENTS[bit] ?? `bit ${bit}`)));
}

/** The registers of a local APIC, each the first word of 16 octets. @source Intel SDM 3A, 11.4.1 */
export const LAPIC_REGISTERS: Layout = layout(
  ...Object.entries({
    id: 0x20,
    version: 0x30,
    tpr: 0x80,
    apr: 0x90,
    ppr: 0xa0,
    eoi: 0xb0,
    ldr: 0xd0,
    dfr: 0xe0,
    svr: 0xf0,
    esr: 0x280,
    lvt_cmci: 0x2f0,
    icr: 0x300,
    icr2: 0x310,
    lvt_timer: 0x320,
    lvt_thermal: 0x330,
    lvt_perf: 0x340,
    lvt_lint0: 0x350,
    lvt_lint1: 0x360,
    lvt_error: 0x370,
    timer_initial: 0x380,
    timer_current: 0x390,
    timer_divide: 0x3e0,
  }).map(([name, offset]) => [at(offset), ...hex(32, name)]),
  at(0x100),
  hexList("isr", { bits: 32, count: 8, strideBytes: 16 }),
  at(0x180),
  hexList("tmr", { bits: 32, count: 8, strideBytes: 16 }),
  at(0x200),
  hexList("irr", { bits: 32, count: 8, strideBytes: 16 }),
  at(0x400),
);
