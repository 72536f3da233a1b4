import { PAGE_BYTES } from "../base/units.ts";
import { decodeP2mFrames, decodePvInfo, decodeVcpuContext } from "../codec/bodies.ts";
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
import { PAGE_ALIGNMENT } from "../format/page-alignment.ts";
import type { BodyClause } from "./verify-clauses.ts";
import { cpuidPolicy, hvmContext, hvmParams, msrPolicy, tscInfo } from "./verify-hypervisor.ts";
import { noBody } from "./verify-no-body.ts";
import { decodePvVcpu } from "./verify-pv-vcpu.ts";

const pvInfo: BodyClause = (record, guest, tell) => {
  const { guestWidth, ptLevels } = decodePvInfo(record);
  const is32Bit = guestWidth === 4 && ptLevels === 3;
  const is64Bit = guestWidth === 8 && ptLevels === 4;
  if (is32Bit || is64Bit) {
    guest.guestWidth = guestWidth;
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

const p2mFrames: BodyClause = (record, guest, tell) => {
  const frames = decodeP2mFrames(record);
  const { startPfn, endPfn, p2mPfns } = frames;
  if (guest.guestWidth === undefined) {
    return;
  }
  const entriesPerFrame = PAGE_BYTES / guest.guestWidth;
  const frameCount =
    Math.floor(endPfn / entriesPerFrame) - Math.floor(startPfn / entriesPerFrame) + 1;
  if (p2mPfns.length !== frameCount) {
    tell("RECORD_LENGTH", "refused", { frameCount: p2mPfns.length, frameCountNeeded: frameCount });
    return;
  }
  guest.p2m.add(frames, entriesPerFrame);
  guest.p2m.offset = record.offset;
};

/** @source xg_sr_restore_x86_pv.c handle_x86_pv_vcpu_blob; the empty record is an erratum */
const vcpu: BodyClause = (record, guest, tell) => {
  guest.hasVcpuBasic ||= record.type === LIBXC_RECORD.X86_PV_VCPU_BASIC;
  const { vcpuId, reserved, context: content } = decodeVcpuContext(record);
  if (reserved !== 0) {
    tell("RECORD_RESERVED", "violated", { reserved });
  }
  if (content.length === 0) {
    tell("RECORD_EMPTY", "suspicious", { vcpuId });
    return;
  }
  const vcpusMax = guest.config?.vcpusMax ?? VCPU_COUNT_MAX;
  if (vcpuId >= vcpusMax) {
    tell("RECORD_VALUE", "refused", { vcpuId, vcpusMax });
    return;
  }
  if (!isVcpuLength(record.type, content.length, guest.guestWidth)) {
    tell("RECORD_LENGTH", "refused", { vcpuId, contextBytes: content.length });
    return;
  }
  const key = `${record.type} ${vcpuId}`;
  if (guest.vcpuRecords.has(key)) {
    tell("ORDER_REPEATED", "suspicious", { vcpuId });
  }
  guest.vcpuRecords.add(key);
  if (record.type === LIBXC_RECORD.X86_PV_VCPU_BASIC && guest.guestWidth !== undefined) {
    guest.vcpus.set(vcpuId, decodePvVcpu(record, guest.guestWidth));
  }
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

const verify: BodyClause = (record, guest, tell) => {
  guest.isVerifying = true;
  noBody(record, guest, tell);
};

/** What vCPUs were sent before a checkpoint is sent again after it. */
const checkpoint: BodyClause = (record, guest, tell) => {
  guest.vcpuRecords.clear();
  noBody(record, guest, tell);
};

const sharedInfo: BodyClause = ({ body }, _guest, tell) => {
  if (body.length !== SHARED_INFO_BYTES) {
    const facts = { bodyBytes: body.length, bodyBytesExpected: SHARED_INFO_BYTES };
    tell("RECORD_LENGTH", "refused", facts);
  }
};

const toolstack: BodyClause = (_record, _guest, tell) => {
  tell("RECORD_NOT_RESTORABLE", "refused");
};

const dirtyPfnList: BodyClause = (_record, _guest, tell) => {
  tell("RECORD_BACK_CHANNEL", "refused");
};

/** Zeros are what it is made of; a reader looks at none of them. */
const pageAlignment: BodyClause = ({ body }, _guest, tell) => {
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
  [LIBXC_RECORD.VERIFY, verify],
  [LIBXC_RECORD.CHECKPOINT, checkpoint],
  [LIBXC_RECORD.CHECKPOINT_DIRTY_PFN_LIST, dirtyPfnList],
  [LIBXC_RECORD.STATIC_DATA_END, noBody],
  [LIBXC_RECORD.X86_CPUID_POLICY, cpuidPolicy],
  [LIBXC_RECORD.X86_MSR_POLICY, msrPolicy],
  [PAGE_ALIGNMENT, pageAlignment],
]);
