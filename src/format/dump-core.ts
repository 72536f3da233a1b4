/**
 * Xen's dump-core format: ELF with sections and no program headers.
 *
 * @source docs/misc/dump-core-format.txt; tools/libs/guest/xg_core.{h,c}; xen/public/elfnote.h
 */

/** Notes of the section .note.Xen. */
export const DUMP_CORE_NOTE = {
  NONE: 0x200_0000,
  HEADER: 0x200_0001,
  XEN_VERSION: 0x200_0002,
  FORMAT_VERSION: 0x200_0003,
} as const;

/** First word of the header note. */
export const DUMP_CORE_MAGIC = { pv: 0xf00f_ebedn, hvm: 0xf00f_ebeen } as const;

/** Version 0.1: the minor number is the low half. */
export const DUMP_CORE_VERSION = 1n;

/** Names of the sections. */
export const DUMP_CORE_SECTION = {
  NAMES: ".shstrtab",
  NOTES: ".note.Xen",
  PRSTATUS: ".xen_prstatus",
  SHARED_INFO: ".xen_shared_info",
  PAGES: ".xen_pages",
  P2M: ".xen_p2m",
  PFN: ".xen_pfn",
} as const;

/**
 * Octets of the hypervisor's version: two numbers, 1248 octets of texts, two numbers.
 *
 * A 32-bit guest's dump has the last four octets earlier. @source elfnote_dump_xen_version
 */
export const XEN_VERSION_NOTE = {
  bytes: 1280,
  major: 0,
  minor: 8,
  pageBytes: { 32: 1268, 64: 1272 },
} as const;

/** Octets of a vCPU in .xen_prstatus, of 32-bit guests too. @source vcpu_guest_context_any_t */
export const PRSTATUS_SLOT_BYTES = 5168;
