import {
  bits,
  decimal,
  hex,
  hexList,
  type Layout,
  layout,
  octets,
  pad,
  signed,
  struct,
  structList,
} from "./layout.ts";
import { FXSAVE, LAPIC_REGISTERS, XSAVE_HEAD } from "./x86-state.ts";

/**
 * HVM_CONTEXT: entries of a descriptor and a structure each, from HEADER to END, little-endian.
 *
 * @source xen/include/public/hvm/save.h, arch-x86/hvm/save.h of 4.0 to 4.22
 */

/** Octets of typecode, instance and length before each entry. */
export const HVM_DESCRIPTOR_BYTES = 8;

/** First field of HEADER, and its version. */
export const HVM_FILE_MAGIC = 0x5438_1286;
export const HVM_FILE_VERSION = 1;

/** Typecodes with a structure of their own. */
export const HVM_SAVE_CODE = {
  END: 0,
  HEADER: 1,
  CPU: 2,
  PIC: 3,
  IOAPIC: 4,
  LAPIC: 5,
  LAPIC_REGS: 6,
  PCI_IRQ: 7,
  ISA_IRQ: 8,
  PCI_LINK: 9,
  PIT: 10,
  RTC: 11,
  HPET: 12,
  PMTIMER: 13,
  MTRR: 14,
  VIRIDIAN_DOMAIN: 15,
  CPU_XSAVE: 16,
  VIRIDIAN_VCPU: 17,
  VMCE_VCPU: 18,
  TSC_ADJUST: 19,
  CPU_MSR: 20,
} as const;

/** Name of a typecode. */
export type HvmSaveName = keyof typeof HVM_SAVE_CODE;

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(HVM_SAVE_CODE).map(([name, code]) => [code, name]),
);

/** Name of a typecode; `undefined` for those Xen never used. */
export function hvmSaveName(typecode: number): HvmSaveName | undefined {
  return NAMES.get(typecode) as HvmSaveName | undefined;
}

/** Registers of CPU up to msr_efer, which all versions have. */
const CPU_COMMON = [
  struct("fpu", FXSAVE),
  ...hex(64, "rax rbx rcx rdx rbp rsi rdi rsp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags"),
  ...hex(64, "cr0 cr2 cr3 cr4 dr0 dr1 dr2 dr3 dr6 dr7"),
  ...hex(32, "cs_sel ds_sel es_sel fs_sel gs_sel ss_sel tr_sel ldtr_sel"),
  ...hex(32, "cs_limit ds_limit es_limit fs_limit gs_limit ss_limit tr_limit ldtr_limit"),
  ...hex(32, "idtr_limit gdtr_limit"),
  ...hex(64, "cs_base ds_base es_base fs_base gs_base ss_base tr_base ldtr_base"),
  ...hex(64, "idtr_base gdtr_base"),
  ...hex(32, "cs_arbytes ds_arbytes es_arbytes fs_arbytes"),
  ...hex(32, "gs_arbytes ss_arbytes tr_arbytes ldtr_arbytes"),
  ...hex(64, "sysenter_cs sysenter_esp sysenter_eip shadow_gs"),
  ...hex(64, "msr_flags msr_lstar msr_star msr_cstar msr_syscall_mask msr_efer"),
];
const CPU_EVENT = [...hex(64, "tsc"), ...hex(32, "pending_event error_code")];

const CPU: Layout = layout(
  ...CPU_COMMON,
  hex(64, "msr_tsc_aux"),
  ...CPU_EVENT,
  hex(32, "flags"),
  pad(4),
);

/** Before 3.4 there was no msr_tsc_aux. */
const CPU_OLD: Layout = layout(...CPU_COMMON, ...CPU_EVENT);

const PIC: Layout = layout(
  hex(8, "irr imr isr irq_base"),
  bits(["init_state", 4], ["priority_add", 4]),
  bits(
    ["readsel_isr", 1],
    ["poll", 1],
    ["auto_eoi", 1],
    ["rotate_on_auto_eoi", 1],
    ["special_fully_nested_mode", 1],
    ["special_mask_mode", 1],
    ["is_master", 1],
  ),
  hex(8, "elcr int_output"),
);

const PIT_CHANNEL: Layout = layout(
  hex(32, "count"),
  hex(16, "latched_count"),
  decimal(8, "count_latched"),
  hex(8, "status_latched status read_state write_state write_latch rw_mode mode bcd gate"),
);

const HPET_TIMER: Layout = layout(hex(64, "config cmp fsb"), pad(8));
const HPET: Layout = layout(
  hex(64, "capability"),
  pad(8),
  hex(64, "config"),
  pad(8),
  hex(64, "isr"),
  pad(25 * 8),
  hex(64, "mc64"),
  pad(8),
  structList("timers", HPET_TIMER, 3),
  pad(4 * (24 - 3) * 8),
  hexList("period", { bits: 64, count: 3 }),
);

const MTRR: Layout = layout(
  hex(64, "msr_pat_cr"),
  structList("var", layout(hex(64, "base mask")), 8),
  hexList("fixed", { bits: 64, count: 11 }),
  hex(64, "msr_mtrr_cap msr_mtrr_def_type"),
);

const VIRIDIAN_VCPU: Layout = layout(
  hex(64, "vp_assist_msr"),
  hex(8, "apic_assist_pending"),
  pad(7),
  hex(64, "simp_msr"),
  hexList("sint_msr", { bits: 64, count: 16 }),
  hexList("stimer_config_msr", { bits: 64, count: 4 }),
  hexList("stimer_count_msr", { bits: 64, count: 4 }),
);

/** One entry of CPU_MSR, behind a count and four octets of nothing. */
export const HVM_MSR_HEAD_BYTES = 8;
export const HVM_MSR_BYTES = 16;

/** How a type is laid out, and which lengths Xen has written. */
export interface HvmSaveType {
  /** For structures of this length; those of another take the last one. */
  readonly layouts: readonly Layout[];
  /** Lengths of all releases, the present one first; `atLeast` where the CPU decides. */
  readonly lengths: readonly number[] | { readonly atLeast: number };
}

/** All types but END, by name. */
export const HVM_SAVE_TYPES: Readonly<Record<Exclude<HvmSaveName, "END">, HvmSaveType>> = {
  HEADER: one(
    layout(
      hex(32, "magic"),
      decimal(32, "version"),
      hex(64, "changeset"),
      hex(32, "cpuid"),
      decimal(32, "gtsc_khz"),
    ),
  ),
  CPU: { layouts: [CPU_OLD, CPU], lengths: [1032, 1024, 1016] },
  PIC: one(PIC),
  IOAPIC: one(
    layout(
      hex(64, "base_address"),
      hex(32, "ioregsel id"),
      hexList("redirtbl", { bits: 64, count: 48 }),
    ),
  ),
  LAPIC: one(
    layout(
      hex(64, "apic_base_msr"),
      hex(32, "disabled"),
      decimal(32, "timer_divisor"),
      hex(64, "tdt_msr"),
      hex(32, "pending_esr"),
    ),
    [32, 24, 16],
  ),
  LAPIC_REGS: one(LAPIC_REGISTERS),
  PCI_IRQ: one(layout(hexList("wires", { bits: 64, count: 2 }))),
  ISA_IRQ: one(layout(hex(64, "wires"))),
  PCI_LINK: one(layout(hexList("route", { bits: 8, count: 4 }), pad(4))),
  PIT: one(layout(structList("channels", PIT_CHANNEL, 3), decimal(32, "speaker_data_on"), pad(4))),
  RTC: one(
    layout(octets("cmos_data", 14), hex(8, "cmos_index"), pad(1), signed(64, "rtc_offset")),
    [24, 16],
  ),
  HPET: one(HPET),
  PMTIMER: one(layout(hex(32, "tmr_val"), hex(16, "pm1a_sts pm1a_en"))),
  MTRR: one(MTRR),
  VIRIDIAN_DOMAIN: one(
    layout(hex(64, "hypercall_gpa guest_os_id time_ref_count reference_tsc")),
    [32, 24, 16],
  ),
  CPU_XSAVE: {
    layouts: [layout(hex(64, "xfeature_mask"), struct("xsave", XSAVE_HEAD))],
    lengths: { atLeast: 8 + 16 + 576 },
  },
  VIRIDIAN_VCPU: one(VIRIDIAN_VCPU, [216, 16, 8]),
  VMCE_VCPU: one(layout(hex(64, "caps mci_ctl2_bank0 mci_ctl2_bank1 mcg_ext_ctl")), [32, 24, 8]),
  TSC_ADJUST: one(layout(hex(64, "tsc_adjust"))),
  CPU_MSR: {
    layouts: [layout(decimal(32, "count"), pad(4))],
    lengths: { atLeast: HVM_MSR_HEAD_BYTES },
  },
};

function one(only: Layout, lengths: readonly number[] = [only.sizeBytes]): HvmSaveType {
  return { layouts: [only], lengths };
}
