import type { ErrorCode } from "../base/errors.ts";
import type { Breach } from "../codec/order.ts";

const SAVE_AGAIN = "save or migrate the guest again";
const FETCH_AGAIN =
  "compare the file with the one it was copied from; if they are equal, save again";
const WRITER = "tell whoever maintains the program that wrote it";
const HARMLESS = "nothing, unless the guest misbehaves once it is restored";
const DAMAGED = `the file is damaged: ${FETCH_AGAIN}`;

/** What to do about each condition that a verified stream can have. */
const ADVICE: Partial<Readonly<Record<ErrorCode, string>>> = {
  STREAM_TRUNCATED: `the rest is missing: ${FETCH_AGAIN}`,
  STREAM_NOT_AN_IMAGE: "check that it is the right file, and the right format if one was named",
  STREAM_BIG_ENDIAN: "restore it on a machine of the byte order it was saved on",
  STREAM_TRAILING_DATA: "cut the file where the stream ends, or fetch it again",
  STREAM_LEGACY: "convert it to the present format first",
  STREAM_VERSION: "restore it with the version of Xen that wrote it",
  STREAM_IDENT: DAMAGED,
  STREAM_RESERVED: WRITER,
  STREAM_XL_BYTE_ORDER: DAMAGED,
  STREAM_XL_FLAGS: "restore it with a newer xl",
  STREAM_XL_OPTIONAL_FLAGS: HARMLESS,
  STREAM_XL_OPTIONAL_DATA: DAMAGED,
  STREAM_XL_CONFIG: "name a configuration file when restoring: xl restore CONFIG FILE",
  STREAM_GUEST_TYPE: DAMAGED,
  STREAM_GUEST_MISMATCH: "name the configuration that belongs to the guest when restoring",
  STREAM_PAGE_SHIFT: DAMAGED,
  STREAM_COMPRESSION: FETCH_AGAIN,

  RECORD_TOO_LONG: DAMAGED,
  RECORD_UNKNOWN: "restore it with a version of Xen that knows the record, or fetch it again",
  RECORD_OPTIONAL: "take the record out: restore does without it",
  RECORD_NOT_RESTORABLE: "restore it with the version of Xen that wrote it",
  RECORD_GUEST_TYPE: DAMAGED,
  RECORD_BACK_CHANNEL: "verify the direction from the primary to the secondary",
  RECORD_LENGTH: DAMAGED,
  RECORD_VALUE: DAMAGED,
  RECORD_RESERVED: WRITER,
  RECORD_PADDING: WRITER,
  RECORD_FRAME: `the guest's state does not fit its memory: ${SAVE_AGAIN}`,
  RECORD_EMPTY: WRITER,

  PAGE_DATA_COUNT: DAMAGED,
  PAGE_DATA_LENGTH: DAMAGED,
  PAGE_DATA_TYPE: DAMAGED,
  PAGE_DATA_RESERVED: WRITER,
  PAGE_DATA_REPEATED: WRITER,
  PAGE_DATA_TABLE: WRITER,
  PAGE_DATA_MEMORY: "give the guest more memory in the configuration, or fetch the file again",
  PAGE_DATA_SCATTERED: DAMAGED,
  PAGE_DATA_DIGEST: `if the guest has not run since, the file is damaged: ${FETCH_AGAIN}`,
  PAGE_DATA_VERIFY: "expected of pages that devices write to; of others, tell who maintains Xen",
  PAGE_DATA_VERIFY_NEW: WRITER,
  PAGE_DATA_PFN: DAMAGED,
  GUEST_PFN_RANGE: DAMAGED,

  ORDER_STATIC_DATA_MISSING: WRITER,
  ORDER_STATIC_DATA_LATE: WRITER,
  ORDER_STATIC_DATA_VERSION: WRITER,
  ORDER_REPEATED: WRITER,
  ORDER_MISSING: SAVE_AGAIN,
  ORDER_DEPENDENCY: WRITER,
  ORDER_VERIFY: WRITER,
  ORDER_CHECKPOINT: "save the guest without checkpoints, or verify the whole stream",
};

/** What to do about a breach. */
export function adviceFor({ code, facts }: Breach): string {
  // Xen's own writer puts HVM_CONTEXT before HVM_PARAMS, against the specification.
  const isXensOwn = code === "ORDER_DEPENDENCY" && facts.record === "HVM_CONTEXT";
  return isXensOwn ? "nothing: Xen itself writes it so" : (ADVICE[code] ?? SAVE_AGAIN);
}

/** Codes that have an advice of their own. */
export const ADVISED_CODES = Object.keys(ADVICE) as readonly ErrorCode[];
