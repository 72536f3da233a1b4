/**
 * What a device model saves of itself: a head, sections, an end.
 *
 * @source QEMU's migration/savevm.c, qemu_save_device_state; docs/xen-save-devices-state.txt
 */

/** "QEVM", and the versions of the head. */
export const SAVEVM_MAGIC = 0x5145_564d;
export const SAVEVM_VERSION = 3;
export const SAVEVM_HEAD_BYTES = 8;

/** Octets that sections start with. */
export const SAVEVM_MARK = {
  EOF: 0,
  SECTION_START: 1,
  SECTION_PART: 2,
  SECTION_END: 3,
  SECTION_FULL: 4,
  CONFIGURATION: 7,
  SECTION_FOOTER: 0x7e,
} as const;

/** Octets of mark, section id and length of the name, and of instance and version behind it. */
export const SAVEVM_SECTION_HEAD_BYTES = 6;
export const SAVEVM_SECTION_TAIL_BYTES = 8;

/** Octets of mark and section id behind a section, where footers are switched on. */
export const SAVEVM_FOOTER_BYTES = 5;
