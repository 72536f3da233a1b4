/** Octets of the image header, the domain header and a record header. */
export const IMAGE_HEADER_BYTES = 24;
export const DOMAIN_HEADER_BYTES = 16;
export const RECORD_HEADER_BYTES = 8;

/** Records start at multiples of this. @source xg_sr_stream_format.h REC_ALIGN */
export const RECORD_ALIGN_BYTES = 8;

/** Longest body of a record. @source xg_sr_stream_format.h REC_LENGTH_MAX */
export const RECORD_BYTES_MAX = 128 * 1024 * 1024;

/** First field of the image header. */
export const IMAGE_MARKER = 0xffff_ffff_ffff_ffffn;

/** "XENF". */
export const IMAGE_ID = 0x5845_4e46;

/** Versions that are read; the last is the one written. */
export const IMAGE_VERSION_MIN = 2;
export const IMAGE_VERSION_MAX = 3;

/** Option of the image header: domain header and records are big-endian. */
export const IMAGE_OPT_BIG_ENDIAN_MASK = 0x0001;

/** Options of the image header without a meaning. */
export const IMAGE_OPT_RESERVED_MASK = 0xfffe;

/** The page_shift every x86 stream has. */
export const DOMAIN_PAGE_SHIFT = 12;

/** Guest types of the domain header. @source libxc-migration-stream.pandoc, "Domain Header" */
export const GUEST_TYPE = { X86_PV: 1, X86_HVM: 2 } as const;

/** Set in the type of records that may be ignored. */
export const RECORD_OPTIONAL_MASK = 0x8000_0000;

/** Record types. @source libxc-migration-stream.pandoc, "Records" */
export const LIBXC_RECORD = {
  END: 0x00,
  PAGE_DATA: 0x01,
  X86_PV_INFO: 0x02,
  X86_PV_P2M_FRAMES: 0x03,
  X86_PV_VCPU_BASIC: 0x04,
  X86_PV_VCPU_EXTENDED: 0x05,
  X86_PV_VCPU_XSAVE: 0x06,
  SHARED_INFO: 0x07,
  X86_TSC_INFO: 0x08,
  HVM_CONTEXT: 0x09,
  HVM_PARAMS: 0x0a,
  TOOLSTACK: 0x0b,
  X86_PV_VCPU_MSRS: 0x0c,
  VERIFY: 0x0d,
  CHECKPOINT: 0x0e,
  CHECKPOINT_DIRTY_PFN_LIST: 0x0f,
  STATIC_DATA_END: 0x10,
  X86_CPUID_POLICY: 0x11,
  X86_MSR_POLICY: 0x12,
} as const;

/** Spec names of the record types. */
export type LibxcRecordName = keyof typeof LIBXC_RECORD;

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(LIBXC_RECORD).map(([name, type]) => [type, name]),
);

/** Spec name of a record type; `undefined` for types that no spec names, optional or not. */
export function libxcRecordName(type: number): LibxcRecordName | undefined {
  return NAMES.get(type) as LibxcRecordName | undefined;
}

/** Whether a reader that does not know `type` may ignore the record; same rule in libxl. */
export function isOptionalRecord(type: number): boolean {
  return type >= RECORD_OPTIONAL_MASK;
}

/** Octets of a body together with its padding. */
export function paddedBytes(bodyBytes: number): number {
  return Math.ceil(bodyBytes / RECORD_ALIGN_BYTES) * RECORD_ALIGN_BYTES;
}

/** Octets of the start_pfn and end_pfn before the list of X86_PV_P2M_FRAMES. */
export const P2M_FRAMES_HEAD_BYTES = 8;

/** Octets of vcpu_id and reserved field before the context of an X86_PV_VCPU_* record. */
export const VCPU_HEAD_BYTES = 8;

/** Octets of the whole body. */
export const PV_INFO_BYTES = 8;
export const TSC_INFO_BYTES = 24;
export const SHARED_INFO_BYTES = 4096;

/** Octets before the list of HVM_PARAMS, and of one entry. */
export const HVM_PARAMS_HEAD_BYTES = 8;
export const HVM_PARAM_BYTES = 16;

/** Octets of one entry. @source xen/include/public/arch-x86/xen.h xen_cpuid_leaf_t */
export const CPUID_LEAF_BYTES = 24;

/** Octets of one entry. @source xen/include/public/arch-x86/xen.h xen_msr_entry_t */
export const MSR_ENTRY_BYTES = 16;

/** Octets of count and reserved field before the pfn words of PAGE_DATA, and of one word. */
export const PAGE_DATA_HEAD_BYTES = 8;
export const PFN_WORD_BYTES = 8;

/** Octets of X86_PV_VCPU_BASIC's context by guest width. @source arch-x86 vcpu_guest_context */
export const VCPU_BASIC_BYTES = { 4: 2800, 8: 5168 } as const;

/** Most octets of X86_PV_VCPU_EXTENDED's context. @source xg_sr_restore_x86_pv.c */
export const VCPU_EXTENDED_BYTES_MAX = 128;

/** Fewest octets of X86_PV_VCPU_XSAVE's context. @source xg_sr_restore_x86_pv.c */
export const VCPU_XSAVE_BYTES_MIN = 16;

/** Octets of one entry of X86_PV_VCPU_MSRS. @source public/domctl.h xen_domctl_vcpu_msr_t */
export const VCPU_MSR_BYTES = 16;

/** One past the highest vCPU id a PV guest can have. @source x86 asm/config.h MAX_VIRT_CPUS */
export const VCPU_COUNT_MAX = 8192;

/** Names of HVM_PARAMS' indexes. @source xen/include/public/hvm/params.h */
const HVM_PARAM_NAMES: Readonly<Record<number, string>> = {
  0: "CALLBACK_IRQ",
  1: "STORE_PFN",
  2: "STORE_EVTCHN",
  4: "PAE_ENABLED",
  5: "IOREQ_PFN",
  6: "BUFIOREQ_PFN",
  9: "VIRIDIAN",
  10: "TIMER_MODE",
  11: "HPET_ENABLED",
  12: "IDENT_PT",
  13: "DM_DOMAIN",
  14: "ACPI_S_STATE",
  15: "VM86_TSS",
  16: "VPT_ALIGN",
  17: "CONSOLE_PFN",
  18: "CONSOLE_EVTCHN",
  19: "ACPI_IOPORTS_LOCATION",
  20: "MEMORY_EVENT_CR0",
  21: "MEMORY_EVENT_CR3",
  22: "MEMORY_EVENT_CR4",
  23: "MEMORY_EVENT_INT3",
  24: "NESTEDHVM",
  25: "MEMORY_EVENT_SINGLE_STEP",
  26: "BUFIOREQ_EVTCHN",
  27: "PAGING_RING_PFN",
  28: "MONITOR_RING_PFN",
  29: "SHARING_RING_PFN",
  30: "MEMORY_EVENT_MSR",
  31: "TRIPLE_FAULT_REASON",
  32: "IOREQ_SERVER_PFN",
  33: "NR_IOREQ_SERVER_PAGES",
  34: "VM_GENERATION_ID_ADDR",
  35: "ALTP2M",
  36: "X87_FIP_WIDTH",
  37: "VM86_TSS_SIZED",
  38: "MCA_CAP",
};

/** Name of an HVM param without its prefix; `undefined` for indexes without one. */
export function hvmParamName(index: bigint): string | undefined {
  return HVM_PARAM_NAMES[Number(index)];
}
