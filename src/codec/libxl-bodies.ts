import { CHECKPOINT_STATE_BYTES_MIN, EMULATOR_HEAD_BYTES } from "../format/libxl.ts";
import { atLeast, type BodySource, failure } from "./bodies.ts";
import { type ByteOrder, viewOf } from "./steps.ts";

/**
 * Most octets of pairs that are decoded.
 *
 * @inferred libxl has no limit; a device model has a few dozen pairs.
 */
const XENSTORE_DATA_BYTES_MAX = 1024 * 1024;

/** What both EMULATOR_* records start with; `data` is a view of the body. */
export interface EmulatorPart {
  /** One of EMULATOR_ID where the writer obeys. */
  readonly emulatorId: number;
  /** Which of the domain's emulators of that kind. */
  readonly index: number;
  readonly data: Uint8Array;
}

/** One key and value of EMULATOR_XENSTORE_DATA, the key relative to the device model's path. */
export interface XenstorePair {
  readonly key: string;
  readonly value: string;
}

/** Decodes the head of EMULATOR_XENSTORE_DATA and EMULATOR_CONTEXT. @throws RECORD_LENGTH */
export function decodeEmulatorPart(source: BodySource): EmulatorPart {
  const isLittle = source.byteOrder === "little";
  const view = atLeast(source, EMULATOR_HEAD_BYTES);
  return {
    emulatorId: view.getUint32(0, isLittle),
    index: view.getUint32(4, isLittle),
    data: source.body.subarray(EMULATOR_HEAD_BYTES),
  };
}

/** Encodes EMULATOR_XENSTORE_DATA or EMULATOR_CONTEXT. */
export function encodeEmulatorPart(
  part: EmulatorPart,
  byteOrder: ByteOrder = "little",
): Uint8Array {
  const isLittle = byteOrder === "little";
  const body = new Uint8Array(EMULATOR_HEAD_BYTES + part.data.length);
  viewOf(body).setUint32(0, part.emulatorId, isLittle);
  viewOf(body).setUint32(4, part.index, isLittle);
  body.set(part.data, EMULATOR_HEAD_BYTES);
  return body;
}

/**
 * Decodes the pairs of EMULATOR_XENSTORE_DATA: strings that each end with a NUL.
 *
 * @throws MigrationError RECORD_LENGTH; RECORD_VALUE the data does not end with a NUL, or a key
 * has no value.
 */
export function decodeXenstoreData(source: BodySource): readonly XenstorePair[] {
  const { data } = decodeEmulatorPart(source);
  if (data.length === 0) {
    return [];
  }
  if (data.length > XENSTORE_DATA_BYTES_MAX) {
    const facts = { bodyBytes: data.length, bodyBytesMax: XENSTORE_DATA_BYTES_MAX };
    throw failure(source, "RECORD_LENGTH", facts);
  }
  if (data[data.length - 1] !== 0) {
    throw failure(source, "RECORD_VALUE", { field: "data", problem: "no final NUL" });
  }
  const strings = Buffer.from(data.subarray(0, -1)).toString("latin1").split("\0");
  if (strings.length % 2 !== 0) {
    throw failure(source, "RECORD_VALUE", { field: "data", problem: "a key without a value" });
  }
  return Array.from({ length: strings.length / 2 }, (_, index) => ({
    key: strings[index * 2]!,
    value: strings[index * 2 + 1]!,
  }));
}

/**
 * Encodes pairs as the data of EMULATOR_XENSTORE_DATA; characters beyond latin1 are the caller's.
 */
export function encodeXenstoreData(pairs: readonly XenstorePair[]): Uint8Array {
  const text = pairs.map(({ key, value }) => `${key}\0${value}\0`).join("");
  return new Uint8Array(Buffer.from(text, "latin1"));
}

/** Decodes CHECKPOINT_STATE's control_id, one of CHECKPOINT_CONTROL. @throws RECORD_LENGTH */
export function decodeCheckpointState(source: BodySource): number {
  return atLeast(source, CHECKPOINT_STATE_BYTES_MIN).getUint32(0, source.byteOrder === "little");
}

/** Encodes CHECKPOINT_STATE as libxl writes it: the padding is not in the body. */
export function encodeCheckpointState(
  control: number,
  byteOrder: ByteOrder = "little",
): Uint8Array {
  const body = new Uint8Array(CHECKPOINT_STATE_BYTES_MIN);
  viewOf(body).setUint32(0, control, byteOrder === "little");
  return body;
}
