import { PAGE_BYTES } from "../base/units.ts";
import {
  decodeCpuidPolicy,
  decodeHvmParams,
  decodeMsrPolicy,
  decodeP2mFrames,
  decodePvInfo,
  decodeTscInfo,
  decodeVcpuContext,
} from "../codec/bodies.ts";
import {
  decodeCheckpointState,
  decodeEmulatorPart,
  decodeXenstoreData,
} from "../codec/libxl-bodies.ts";
import {
  LIBXC_RECORD,
  PV_INFO_BYTES,
  SHARED_INFO_BYTES,
  VCPU_BASIC_BYTES,
  VCPU_COUNT_MAX,
  VCPU_EXTENDED_BYTES_MAX,
  VCPU_MSR_BYTES,
  VCPU_XSAVE_BYTES_MIN,
} from "../format/libxc.ts";
import {
  CHECKPOINT_CONTROL,
  CHECKPOINT_STATE_BYTES_MAX,
  CHECKPOINT_STATE_BYTES_MIN,
  checkpointControlName,
  EMULATOR_HEAD_BYTES,
  emulatorName,
  LIBXL_RECORD,
} from "../format/libxl.ts";
import { PAGE_ALIGNMENT } from "../format/page-alignment.ts";
import type { BodyClause } from "./verify-clauses.ts";

/** Signals have no body; Xen takes one all the same. */
const noBody: BodyClause = ({ body }, _context, tell) => {
  if (body.length !== 0) {
    tell("RECORD_LENGTH", "violated", { bodyBytes: body.length, bodyBytesExpected: 0 });
  }
};

const pvInfo: BodyClause = (record, context, tell) => {
  const { guestWidth, ptLevels } = decodePvInfo(record);
  const is32Bit = guestWidth === 4 && ptLevels === 3;
  const is64Bit = guestWidth === 8 && ptLevels === 4;
  if (is32Bit || is64Bit) {
    context.guestWidth = guestWidth;
  } else {
    tell("RECORD_VALUE", "refused", { guestWidth, ptLevels });
  }
  if (record.body.subarray(2, PV_INFO_BYTES).some((octet) => octet !== 0)) {
    tell("RECORD_RESERVED", "violated");
  }
  if (record.body.length !== PV_INFO_BYTES) {
    tell("RECORD_LENGTH", "violated", { bodyBytes: record.body.length });
  }
};

const p2mFrames: BodyClause = (record, { guestWidth }, tell) => {
  const { startPfn, endPfn, p2mPfns } = decodeP2mFrames(record);
  if (guestWidth === undefined) {
    return;
  }
  const entriesPerFrame = PAGE_BYTES / guestWidth;
  const frameCount =
    Math.floor(endPfn / entriesPerFrame) - Math.floor(startPfn / entriesPerFrame) + 1;
  if (p2mPfns.length !== frameCount) {
    tell("RECORD_LENGTH", "refused", { frameCount: p2mPfns.length, frameCountNeeded: frameCount });
  }
};

/** @source xg_sr_restore_x86_pv.c handle_x86_pv_vcpu_blob; the empty record is an erratum */
const vcpu: BodyClause = (record, context, tell) => {
  const { vcpuId, reserved, context: content } = decodeVcpuContext(record);
  if (reserved !== 0) {
    tell("RECORD_RESERVED", "violated", { reserved });
  }
  if (content.length === 0) {
    tell("RECORD_EMPTY", "suspicious", { vcpuId });
    return;
  }
  if (vcpuId >= VCPU_COUNT_MAX) {
    tell("RECORD_VALUE", "refused", { vcpuId });
    return;
  }
  if (!isVcpuLength(record.type, content.length, context.guestWidth)) {
    tell("RECORD_LENGTH", "refused", { vcpuId, contextBytes: content.length });
  }
  const key = `${record.type} ${vcpuId}`;
  if (context.vcpuRecords.has(key)) {
    tell("ORDER_REPEATED", "suspicious", { vcpuId });
  }
  context.vcpuRecords.add(key);
};

function isVcpuLength(type: number, bytes: number, guestWidth: 4 | 8 | undefined): boolean {
  switch (type) {
    case LIBXC_RECORD.X86_PV_VCPU_BASIC:
      return guestWidth === undefined || bytes === VCPU_BASIC_BYTES[guestWidth];
    case LIBXC_RECORD.X86_PV_VCPU_EXTENDED:
      return bytes <= VCPU_EXTENDED_BYTES_MAX;
    case LIBXC_RECORD.X86_PV_VCPU_XSAVE:
      return bytes >= VCPU_XSAVE_BYTES_MIN;
    default:
      return bytes % VCPU_MSR_BYTES === 0;
  }
}

/** What vCPUs were sent before a checkpoint is sent again after it. */
const checkpoint: BodyClause = (record, context, tell) => {
  context.vcpuRecords.clear();
  noBody(record, context, tell);
};

const sharedInfo: BodyClause = ({ body }, _context, tell) => {
  if (body.length !== SHARED_INFO_BYTES) {
    const facts = { bodyBytes: body.length, bodyBytesExpected: SHARED_INFO_BYTES };
    tell("RECORD_LENGTH", "refused", facts);
  }
};

const tscInfo: BodyClause = (record, _context, tell) => {
  const { reserved } = decodeTscInfo(record);
  if (reserved !== 0) {
    tell("RECORD_RESERVED", "violated", { reserved });
  }
};

const hvmContext: BodyClause = ({ body }, _context, tell) => {
  if (body.length === 0) {
    tell("RECORD_LENGTH", "refused", { bodyBytes: 0 });
  }
};

/** Without params it is an erratum of Xen 4.6 to 4.8. */
const hvmParams: BodyClause = (record, _context, tell) => {
  const { params, reserved } = decodeHvmParams(record);
  if (params.length === 0) {
    tell("RECORD_EMPTY", "suspicious");
  }
  if (reserved !== 0) {
    tell("RECORD_RESERVED", "violated", { reserved });
  }
};

const toolstack: BodyClause = (_record, _context, tell) => {
  tell("RECORD_NOT_RESTORABLE", "refused");
};

const dirtyPfnList: BodyClause = (_record, _context, tell) => {
  tell("RECORD_BACK_CHANNEL", "refused");
};

const cpuidPolicy: BodyClause = (record) => {
  decodeCpuidPolicy(record);
};

/** Xen takes no MSR whose flags, which are reserved, are not zero. */
const msrPolicy: BodyClause = (record, _context, tell) => {
  for (const { index, flags } of decodeMsrPolicy(record)) {
    if (flags !== 0) {
      tell("RECORD_VALUE", "refused", { msr: index, flags });
      return;
    }
  }
};

const emulator: BodyClause = (record, { configType }, tell) => {
  const { emulatorId } = decodeEmulatorPart(record);
  if (emulatorName(emulatorId) === undefined) {
    tell("RECORD_VALUE", "violated", { emulatorId });
  }
  if (configType !== undefined && configType !== "hvm") {
    tell("RECORD_GUEST_TYPE", "refused", { configType });
  }
  if (record.body.length === EMULATOR_HEAD_BYTES) {
    tell("RECORD_EMPTY", "suspicious");
  }
};

const xenstoreData: BodyClause = (record, context, tell) => {
  emulator(record, context, tell);
  for (const { key } of decodeXenstoreData(record)) {
    if (!/^[A-Za-z0-9/_@-]+$/.test(key)) {
      tell("RECORD_VALUE", "violated", { field: "key" });
      return;
    }
  }
};

/** Only a new checkpoint is announced in this direction. @source libxl_colo_restore.c */
const checkpointState: BodyClause = (record, _context, tell) => {
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

/** Zeros are what it is made of; a reader looks at none of them. */
const pageAlignment: BodyClause = ({ body }, _context, tell) => {
  if (body.some((octet) => octet !== 0)) {
    tell("RECORD_RESERVED", "suspicious");
  }
};

/** Clauses about the bodies of libxc's records; PAGE_DATA has its own events. */
export const LIBXC_BODY_CLAUSES: ReadonlyMap<number, BodyClause> = new Map([
  [LIBXC_RECORD.END, noBody],
  [LIBXC_RECORD.X86_PV_INFO, pvInfo],
  [LIBXC_RECORD.X86_PV_P2M_FRAMES, p2mFrames],
  [LIBXC_RECORD.X86_PV_VCPU_BASIC, vcpu],
  [LIBXC_RECORD.X86_PV_VCPU_EXTENDED, vcpu],
  [LIBXC_RECORD.X86_PV_VCPU_XSAVE, vcpu],
  [LIBXC_RECORD.X86_PV_VCPU_MSRS, vcpu],
  [LIBXC_RECORD.SHARED_INFO, sharedInfo],
  [LIBXC_RECORD.X86_TSC_INFO, tscInfo],
  [LIBXC_RECORD.HVM_CONTEXT, hvmContext],
  [LIBXC_RECORD.HVM_PARAMS, hvmParams],
  [LIBXC_RECORD.TOOLSTACK, toolstack],
  [LIBXC_RECORD.VERIFY, noBody],
  [LIBXC_RECORD.CHECKPOINT, checkpoint],
  [LIBXC_RECORD.CHECKPOINT_DIRTY_PFN_LIST, dirtyPfnList],
  [LIBXC_RECORD.STATIC_DATA_END, noBody],
  [LIBXC_RECORD.X86_CPUID_POLICY, cpuidPolicy],
  [LIBXC_RECORD.X86_MSR_POLICY, msrPolicy],
  [PAGE_ALIGNMENT, pageAlignment],
]);

/** Clauses about the bodies of libxl's records. */
export const LIBXL_BODY_CLAUSES: ReadonlyMap<number, BodyClause> = new Map([
  [LIBXL_RECORD.END, noBody],
  [LIBXL_RECORD.LIBXC_CONTEXT, noBody],
  [LIBXL_RECORD.EMULATOR_XENSTORE_DATA, xenstoreData],
  [LIBXL_RECORD.EMULATOR_CONTEXT, emulator],
  [LIBXL_RECORD.CHECKPOINT_END, noBody],
  [LIBXL_RECORD.CHECKPOINT_STATE, checkpointState],
]);
