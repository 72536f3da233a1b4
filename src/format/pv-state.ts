import {
  decimal,
  hex,
  hexList,
  type Layout,
  layout,
  pad,
  signed,
  struct,
  structList,
} from "./layout.ts";
import { FXSAVE } from "./x86-state.ts";

/** Octets of a word of a PV guest. */
export type GuestWidth = 4 | 8;

/** @source xen/include/public/arch-x86/xen-x86_64.h cpu_user_regs */
const USER_REGS_64: Layout = layout(
  hex(64, "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi"),
  hex(32, "error_code entry_vector"),
  hex(64, "rip"),
  hex(16, "cs"),
  pad(2),
  hex(8, "saved_upcall_mask"),
  pad(3),
  hex(64, "rflags rsp"),
  ...["ss", "es", "ds", "fs", "gs"].map((name) => [...hex(16, name), pad(6)]),
);

/** @source xen/include/public/arch-x86/xen-x86_32.h cpu_user_regs */
const USER_REGS_32: Layout = layout(
  hex(32, "ebx ecx edx esi edi ebp eax"),
  hex(16, "error_code entry_vector"),
  hex(32, "eip"),
  hex(16, "cs"),
  hex(8, "saved_upcall_mask"),
  pad(1),
  hex(32, "eflags esp"),
  ...["ss", "es", "ds", "fs", "gs"].map((name) => [...hex(16, name), pad(2)]),
);

const TRAPS = 256;

/** One entry of a guest's table of traps. @source arch-x86/xen.h trap_info */
const TRAP_64: Layout = layout(hex(8, "vector flags"), hex(16, "cs"), pad(4), hex(64, "address"));
const TRAP_32: Layout = layout(hex(8, "vector flags"), hex(16, "cs"), hex(32, "address"));

/**
 * X86_PV_VCPU_BASIC's context, in which frames of page tables and descriptor tables are pfns.
 *
 * @source arch-x86/xen.h vcpu_guest_context; xg_sr_save_x86_pv.c write_one_vcpu_basic
 */
export const PV_VCPU_BASIC: Readonly<Record<GuestWidth, Layout>> = {
  8: layout(
    struct("fpu", FXSAVE),
    hex(64, "flags"),
    struct("user_regs", USER_REGS_64),
    structList("trap_ctxt", TRAP_64, TRAPS),
    hex(64, "ldt_base"),
    decimal(64, "ldt_ents"),
    hexList("gdt_frames", { bits: 64, count: 16 }),
    decimal(64, "gdt_ents"),
    hex(64, "kernel_ss kernel_sp"),
    hexList("ctrlreg", { bits: 64, count: 8 }),
    hexList("debugreg", { bits: 64, count: 8 }),
    hex(64, "event_callback_eip failsafe_callback_eip syscall_callback_eip vm_assist"),
    hex(64, "fs_base gs_base_kernel gs_base_user"),
  ),
  4: layout(
    struct("fpu", FXSAVE),
    hex(32, "flags"),
    struct("user_regs", USER_REGS_32),
    structList("trap_ctxt", TRAP_32, TRAPS),
    hex(32, "ldt_base"),
    decimal(32, "ldt_ents"),
    hexList("gdt_frames", { bits: 32, count: 16 }),
    decimal(32, "gdt_ents"),
    hex(32, "kernel_ss kernel_sp"),
    hexList("ctrlreg", { bits: 32, count: 8 }),
    hexList("debugreg", { bits: 32, count: 8 }),
    hex(32, "event_callback_cs event_callback_eip failsafe_callback_cs failsafe_callback_eip"),
    hex(32, "vm_assist"),
  ),
};

/** X86_PV_VCPU_EXTENDED's context. @source public/domctl.h xen_domctl_ext_vcpucontext */
export const PV_VCPU_EXTENDED: Layout = layout(
  decimal(32, "vcpu size"),
  hex(64, "syscall32_callback_eip sysenter_callback_eip"),
  hex(16, "syscall32_callback_cs sysenter_callback_cs"),
  hex(8, "syscall32_disables_events sysenter_disables_events"),
  pad(2),
  hex(64, "mcg_cap mci_ctl2_bank0 mci_ctl2_bank1 mcg_ext_ctl"),
);

/** One entry of X86_PV_VCPU_MSRS. @source public/domctl.h xen_domctl_vcpu_msr */
export const PV_VCPU_MSR: Layout = layout(hex(32, "msr"), pad(4), hex(64, "value"));

/** vCPUs that SHARED_INFO has room for. */
const SHARED_INFO_VCPUS = 32;

/** @source public/xen.h vcpu_time_info */
const VCPU_TIME: Layout = layout(
  decimal(32, "version"),
  pad(4),
  hex(64, "tsc_timestamp"),
  decimal(64, "system_time"),
  hex(32, "tsc_to_system_mul"),
  signed(8, "tsc_shift"),
  hex(8, "flags"),
  pad(2),
);

/** @source public/xen.h vcpu_info */
const VCPU_INFO: Readonly<Record<GuestWidth, Layout>> = {
  8: layout(
    hex(8, "evtchn_upcall_pending evtchn_upcall_mask"),
    pad(6),
    hex(64, "evtchn_pending_sel cr2"),
    pad(8),
    struct("time", VCPU_TIME),
  ),
  4: layout(
    hex(8, "evtchn_upcall_pending evtchn_upcall_mask"),
    pad(2),
    hex(32, "evtchn_pending_sel cr2"),
    pad(20),
    struct("time", VCPU_TIME),
  ),
};

/** SHARED_INFO by guest width. @source public/xen.h shared_info, arch-x86/xen.h arch_shared_info */
export const SHARED_INFO: Readonly<Record<GuestWidth, Layout>> = {
  8: layout(
    structList("vcpu_info", VCPU_INFO[8], SHARED_INFO_VCPUS),
    hexList("evtchn_pending", { bits: 64, count: 64 }),
    hexList("evtchn_mask", { bits: 64, count: 64 }),
    decimal(32, "wc_version wc_sec wc_nsec wc_sec_hi"),
    decimal(64, "max_pfn"),
    hex(64, "pfn_to_mfn_frame_list_list nmi_reason p2m_cr3 p2m_vaddr p2m_generation"),
  ),
  4: layout(
    structList("vcpu_info", VCPU_INFO[4], SHARED_INFO_VCPUS),
    hexList("evtchn_pending", { bits: 32, count: 32 }),
    hexList("evtchn_mask", { bits: 32, count: 32 }),
    decimal(32, "wc_version wc_sec wc_nsec max_pfn"),
    hex(32, "pfn_to_mfn_frame_list_list nmi_reason p2m_cr3 p2m_vaddr p2m_generation"),
    decimal(32, "wc_sec_hi"),
  ),
};
