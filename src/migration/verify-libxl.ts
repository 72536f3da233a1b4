import type { RecordEvent } from "../codec/events.ts";
import {
  decodeCheckpointState,
  decodeEmulatorPart,
  type EmulatorPart,
} from "../codec/libxl-bodies.ts";
import { isSavevm } from "../codec/savevm.ts";
import {
  CHECKPOINT_CONTROL,
  CHECKPOINT_STATE_BYTES_MAX,
  CHECKPOINT_STATE_BYTES_MIN,
  checkpointControlName,
  EMULATOR_ID,
  emulatorName,
  LIBXL_RECORD,
} from "../format/libxl.ts";
import type { BodyClause, Clause, Tell } from "./verify-clauses.ts";
import { noBody } from "./verify-no-body.ts";

/** Keys of the xenstore, as the specification allows them. */
const KEY = /^[A-Za-z0-9/_@-]+$/;

/**
 * Watches libxl's records: libxl refuses even optional ones that it does not know, which are all,
 * and a guest with a device model does not start without that one's state.
 */
export function libxlRecordClause(): Clause {
  let emulatorContexts = 0;
  return (event, guest, tell) => {
    if (event.kind !== "record" || event.layer !== "libxl") {
      return;
    }
    if (event.isOptional) {
      tell("RECORD_OPTIONAL", "refused");
    } else if (event.type === LIBXL_RECORD.EMULATOR_CONTEXT) {
      emulatorContexts++;
      if (emulatorContexts > 1) {
        tell("ORDER_REPEATED", "suspicious");
      }
    } else if (event.type === LIBXL_RECORD.CHECKPOINT_END) {
      emulatorContexts = 0;
    } else if (event.type === LIBXL_RECORD.END && emulatorContexts === 0) {
      if (guest.config?.hasDeviceModel === true) {
        tell("ORDER_MISSING", "refused", { other: "EMULATOR_CONTEXT" });
      }
    }
  };
}

/** Checks what both EMULATOR_* records start with; returns what follows, if it matters. */
function emulatorData(
  record: RecordEvent,
  configType: string | undefined,
  tell: Tell,
): EmulatorPart | undefined {
  if (configType !== undefined && configType !== "hvm") {
    tell("RECORD_GUEST_TYPE", "refused", { configType });
    return undefined;
  }
  const part = decodeEmulatorPart(record);
  if (emulatorName(part.emulatorId) === undefined) {
    tell("RECORD_VALUE", "violated", { emulatorId: part.emulatorId });
  }
  return part;
}

/** A device model ends at once if its state is none. */
const emulatorContext: BodyClause = (record, { config }, tell) => {
  const part = emulatorData(record, config?.type, tell);
  if (part?.data.length === 0) {
    tell("RECORD_EMPTY", "refused");
  } else if (part?.emulatorId === EMULATOR_ID.QEMU_UPSTREAM && !isSavevm(part.data)) {
    tell("RECORD_VALUE", "refused", { field: "magic" });
  }
};

/**
 * @source libxl_dom_save.c libxl__restore_emulator_xenstore_data, which does not look whether the
 *   xenstore took a pair
 */
const xenstoreData: BodyClause = (record, { config }, tell) => {
  const part = emulatorData(record, config?.type, tell);
  if (part === undefined) {
    return;
  }
  if (part.data.length === 0) {
    tell("RECORD_EMPTY", "suspicious");
    return;
  }
  const strings = Buffer.from(part.data).toString("latin1").split("\0");
  if (strings.pop() !== "") {
    tell("RECORD_VALUE", "refused", { field: "data", problem: "no final NUL" });
    return;
  }
  if (strings.length % 2 !== 0) {
    tell("RECORD_VALUE", "refused", { field: "data", problem: "a key without a value" });
  }
  const keys = strings.filter((_, index) => index % 2 === 0);
  const refused = keys.find((key) => key === "" || key.startsWith("/"));
  const forbidden = keys.find((key) => !KEY.test(key));
  if (refused !== undefined) {
    tell("RECORD_VALUE", "refused", { field: "key", key: refused });
  } else if (forbidden !== undefined) {
    tell("RECORD_VALUE", "violated", { field: "key", key: JSON.stringify(forbidden) });
  }
};

/** Only a new checkpoint is announced in this direction. @source libxl_colo_restore.c */
const checkpointState: BodyClause = (record, _guest, tell) => {
  const control = decodeCheckpointState(record);
  const { body } = record;
  if (checkpointControlName(control) === undefined) {
    tell("RECORD_VALUE", "refused", { control });
  } else if (control !== CHECKPOINT_CONTROL.NEW) {
    tell("RECORD_BACK_CHANNEL", "refused", { control });
  }
  if (body.length !== CHECKPOINT_STATE_BYTES_MIN && body.length !== CHECKPOINT_STATE_BYTES_MAX) {
    tell("RECORD_LENGTH", "violated", { bodyBytes: body.length });
  }
  if (body.subarray(CHECKPOINT_STATE_BYTES_MIN).some((octet) => octet !== 0)) {
    tell("RECORD_RESERVED", "violated");
  }
};

/** Clauses about the bodies of libxl's records. */
export const LIBXL_BODY_CLAUSES: ReadonlyMap<number, BodyClause> = new Map([
  [LIBXL_RECORD.END, noBody],
  [LIBXL_RECORD.LIBXC_CONTEXT, noBody],
  [LIBXL_RECORD.EMULATOR_XENSTORE_DATA, xenstoreData],
  [LIBXL_RECORD.EMULATOR_CONTEXT, emulatorContext],
  [LIBXL_RECORD.CHECKPOINT_END, noBody],
  [LIBXL_RECORD.CHECKPOINT_STATE, checkpointState],
]);
