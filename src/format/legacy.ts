/**
 * Numbers of the streams that Xen 3.4 to 4.5 wrote, before Migration v2.
 *
 * @source tools/libxc/xg_save_restore.h and xc_domain_save.c of those releases
 */

/** Octets of `unsigned long` in the toolstack that wrote the stream, by its width in bits. */
export const LEGACY_WORD_BYTES = { 32: 4, 64: 8 } as const;

/** Width of the toolstack that wrote a stream, whatever the guest's. */
export type LegacyWidth = keyof typeof LEGACY_WORD_BYTES;

/** Most frames a stream can name: its page types take the upper 4 of 32 bits. */
export const LEGACY_PFN_COUNT_MAX = 2 ** 28;

/** Most pages of a batch. @source MAX_BATCH_SIZE */
export const LEGACY_BATCH_PAGES_MAX = 1024;

/** One past the highest vCPU id. @source XC_SR_MAX_VCPUS */
export const LEGACY_VCPU_COUNT_MAX = 4096;

/** A batch's word for a frame that has no page, and not even a number. */
export const LEGACY_BARE_XTAB = 0xf000_0000;

/** Chunk ids; above 0 is a batch of so many pages. @source XC_SAVE_ID_* */
export const LEGACY_CHUNK = {
  END: 0,
  ENABLE_VERIFY_MODE: -1,
  VCPU_INFO: -2,
  HVM_IDENT_PT: -3,
  HVM_VM86_TSS: -4,
  TMEM: -5,
  TMEM_EXTRA: -6,
  TSC_INFO: -7,
  HVM_CONSOLE_PFN: -8,
  LAST_CHECKPOINT: -9,
  HVM_ACPI_IOPORTS_LOCATION: -10,
  HVM_VIRIDIAN: -11,
  COMPRESSED_DATA: -12,
  ENABLE_COMPRESSION: -13,
  HVM_GENERATION_ID_ADDR: -14,
  HVM_PAGING_RING_PFN: -15,
  HVM_MONITOR_RING_PFN: -16,
  HVM_SHARING_RING_PFN: -17,
  TOOLSTACK: -18,
  HVM_IOREQ_SERVER_PFN: -19,
  HVM_NR_IOREQ_SERVER_PAGES: -20,
  HVM_X87_FIP_WIDTH: -21,
} as const;

/** Names of the chunk ids. */
export type LegacyChunkName = keyof typeof LEGACY_CHUNK;

const CHUNK_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(LEGACY_CHUNK).map(([name, id]) => [id, name]),
);

/** Name of a chunk id; `undefined` for batches and for ids that no release wrote. */
export function legacyChunkName(id: number): LegacyChunkName | undefined {
  return CHUNK_NAMES.get(id) as LegacyChunkName | undefined;
}

/** Indexes of HVM params that have a chunk of their own. @source public/hvm/params.h */
export const LEGACY_CHUNK_PARAMS: ReadonlyMap<number, bigint> = new Map([
  [LEGACY_CHUNK.HVM_IDENT_PT, 12n],
  [LEGACY_CHUNK.HVM_VM86_TSS, 15n],
  [LEGACY_CHUNK.HVM_CONSOLE_PFN, 17n],
  [LEGACY_CHUNK.HVM_ACPI_IOPORTS_LOCATION, 19n],
  [LEGACY_CHUNK.HVM_VIRIDIAN, 9n],
  [LEGACY_CHUNK.HVM_GENERATION_ID_ADDR, 34n],
  [LEGACY_CHUNK.HVM_PAGING_RING_PFN, 27n],
  [LEGACY_CHUNK.HVM_MONITOR_RING_PFN, 28n],
  [LEGACY_CHUNK.HVM_SHARING_RING_PFN, 29n],
  [LEGACY_CHUNK.HVM_IOREQ_SERVER_PFN, 32n],
  [LEGACY_CHUNK.HVM_NR_IOREQ_SERVER_PAGES, 33n],
  [LEGACY_CHUNK.HVM_X87_FIP_WIDTH, 36n],
]);

/** Indexes of the HVM params of the tail, in its order: ioreq, bufioreq and store pfn. */
export const LEGACY_TAIL_PARAMS = [5n, 6n, 1n] as const;

/** Octets behind a chunk id: padding and value of an HVM param; TSC info. */
export const LEGACY_PARAM_BYTES = 12;
export const LEGACY_TSC_BYTES = 20;

/** Block ids of the extended info before a PV guest's frame list. */
export const LEGACY_BLOCK = { VCPU: "vcpu", EXTENDED: "extv", XSAVE: "xcnt" } as const;

/**
 * Most octets of extended info.
 *
 * @inferred Xen has no limit; three blocks of it are known, 5.2 KiB in all.
 */
export const LEGACY_EXTENDED_INFO_BYTES_MAX = 1024 * 1024;

/** Octets of the extended context of a vCPU. @source xc_domain_save.c */
export const LEGACY_VCPU_EXTENDED_BYTES = 128;

/**
 * Most octets of one vCPU's XSAVE area.
 *
 * @inferred Xen has no limit; the releases that wrote such streams knew areas below 1 KiB.
 */
export const LEGACY_XSAVE_BYTES_MAX = 64 * 1024;

/** Version of the toolstack's chunk. @source libxl_dom.c TOOLSTACK_SAVE_VERSION */
export const LEGACY_TOOLSTACK_VERSION = 1;

/** Octets before the name of an entry of the toolstack's chunk. */
export const LEGACY_PHYSMAP_HEAD_BYTES = 28;

/** Octets that a 64-bit toolstack leaves behind each name: the end of a structure. */
export const LEGACY_PHYSMAP_SLACK_BYTES = { 32: 0, 64: 4 } as const;

/**
 * Most octets of the toolstack's chunk.
 *
 * @inferred libxl has no limit; it writes a handful of entries of less than 100 octets.
 */
export const LEGACY_TOOLSTACK_BYTES_MAX = 256 * 1024;

/**
 * Signatures before the device model's state. All have a length but the last, whose state goes to
 * the end of the file.
 *
 * @source xc_domain_restore.c buffer_tail_hvm
 */
export const LEGACY_EMULATOR = {
  LIBXL: "DeviceModelRecord0002",
  REMUS: "RemusDeviceModelState",
  UNTIL_END: "QemuDeviceModelRecord",
} as const;

/** Octets of a signature. */
export const LEGACY_EMULATOR_SIGNATURE_BYTES = 21;

/**
 * Most octets of an HVM context or a device model's state: what a record of Migration v2 holds,
 * the latter behind its head.
 */
export const LEGACY_STATE_BYTES_MAX = 128 * 1024 * 1024 - 8;

/**
 * Pages a sender of compressed checkpoints keeps to tell differences from; the least recently sent
 * goes first.
 *
 * @source xc_compression.c DELTA_CACHE_SIZE
 */
export const LEGACY_DELTA_PAGES_MAX = 8192;

/**
 * Most pages named before the compressed data that holds them.
 *
 * @source xc_compression.c PAGE_BUFFER_SIZE, and the batch that overflows it
 */
export const LEGACY_PENDING_PAGES_MAX = 8192 + LEGACY_BATCH_PAGES_MAX;

/** Most octets of compressed data for one page: eight runs of 127 words and one of 8. */
export const LEGACY_DELTA_BYTES_MAX = 4096 + 9;

/** What a file saved by xend starts with; the length and text of its configuration follow. */
export const XEND_MAGIC = "LinuxGuestRecord";

/** Most octets of a configuration of xend. @inferred xend has no limit; a few KiB are usual. */
export const XEND_CONFIG_BYTES_MAX = 16 * 1024 * 1024;

/** What the domain header of a converted stream says instead of a release. */
export const CONVERTED_XEN = { major: 0, minor: 1 } as const;
