/** Octets of the stream header. */
export const LIBXL_HEADER_BYTES = 16;

/** "LibxlFmt". */
export const LIBXL_IDENT = 0x4c69_6278_6c46_6d74n;

/** The only version there is. */
export const LIBXL_VERSION = 2;

/** Options of the header: records are big-endian; the stream was converted from legacy. */
export const LIBXL_OPT_BIG_ENDIAN_MASK = 0x1;
export const LIBXL_OPT_LEGACY_MASK = 0x2;

/** Options without a meaning. */
export const LIBXL_OPT_RESERVED_MASK = 0xffff_fffc;

/** Record types. @source libxl-migration-stream.pandoc, "Record Overview" */
export const LIBXL_RECORD = {
  END: 0,
  LIBXC_CONTEXT: 1,
  EMULATOR_XENSTORE_DATA: 2,
  EMULATOR_CONTEXT: 3,
  CHECKPOINT_END: 4,
  CHECKPOINT_STATE: 5,
} as const;

/** Spec names of the record types. */
export type LibxlRecordName = keyof typeof LIBXL_RECORD;

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(LIBXL_RECORD).map(([name, type]) => [type, name]),
);

/** Spec name of a record type; `undefined` for types that no spec names. */
export function libxlRecordName(type: number): LibxlRecordName | undefined {
  return NAMES.get(type) as LibxlRecordName | undefined;
}

/** Octets of emulator_id and index, before the rest of an EMULATOR_* record. */
export const EMULATOR_HEAD_BYTES = 8;

/** Device models. @source libxl-migration-stream.pandoc, "Emulator Records" */
export const EMULATOR_ID = { UNKNOWN: 0, QEMU_TRADITIONAL: 1, QEMU_UPSTREAM: 2 } as const;

/** Spec names of the device models. */
export type EmulatorName = keyof typeof EMULATOR_ID;

const EMULATORS: ReadonlyMap<number, string> = new Map(
  Object.entries(EMULATOR_ID).map(([name, id]) => [id, name]),
);

/** Spec name of a device model; `undefined` for reserved ids. */
export function emulatorName(id: number): EmulatorName | undefined {
  return EMULATORS.get(id) as EmulatorName | undefined;
}

/**
 * Octets of CHECKPOINT_STATE as libxl writes it; the spec draws its padding as part of the body.
 *
 * @source libxl_sr_stream_format.h libxl_sr_checkpoint_state
 */
export const CHECKPOINT_STATE_BYTES_MIN = 4;
export const CHECKPOINT_STATE_BYTES_MAX = 8;

/** Values of control_id. @source libxl-migration-stream.pandoc, "CHECKPOINT_STATE" */
export const CHECKPOINT_CONTROL = {
  NEW: 0,
  SVM_SUSPENDED: 1,
  SVM_READY: 2,
  SVM_RESUMED: 3,
} as const;

/** Spec names of the control ids. */
export type CheckpointControlName = keyof typeof CHECKPOINT_CONTROL;

const CONTROLS: ReadonlyMap<number, string> = new Map(
  Object.entries(CHECKPOINT_CONTROL).map(([name, id]) => [id, name]),
);

/** Spec name of a control id; `undefined` for others. */
export function checkpointControlName(id: number): CheckpointControlName | undefined {
  return CONTROLS.get(id) as CheckpointControlName | undefined;
}
