import {
  encodeP2mFrames,
  encodePvInfo,
  encodeTscInfo,
  encodeVcpuContext,
} from "../codec/bodies.ts";
import type { RecordParts } from "../codec/record.ts";
import { LIBXC_RECORD } from "../format/libxc.ts";
import { valueOf, type XenDomain } from "./addon.ts";
import type { PvVcpu, XenPvSource } from "./pv-addon.ts";

/** X86_PV_INFO, the first of a PV guest's static records. */
export function pvInfoRecord(pv: XenPvSource): RecordParts {
  const guestWidth = pv.width();
  const body = encodePvInfo({ guestWidth, ptLevels: guestWidth === 8 ? 4 : 3 });
  return { type: LIBXC_RECORD.X86_PV_INFO, body };
}

/** X86_PV_P2M_FRAMES, which must come before memory: where the guest keeps its p2m. */
export function p2mFramesRecord(pv: XenPvSource): RecordParts {
  const body = encodeP2mFrames({ startPfn: 0, endPfn: pv.pfnCount() - 1, p2mPfns: pv.p2mPfns() });
  return { type: LIBXC_RECORD.X86_PV_P2M_FRAMES, body };
}

/**
 * The records behind the memory of a suspended PV guest, in Xen's order.
 *
 * @throws MigrationError GUEST_HOST_CALL; GUEST_FRAMES where a vCPU names frames of others
 * @source xg_sr_save_x86_pv.c, x86_pv_end_of_checkpoint
 */
export function pvStateRecords(domain: XenDomain, pv: XenPvSource): readonly RecordParts[] {
  const tsc = encodeTscInfo({ ...valueOf(domain.tscInfo()), reserved: 0 });
  const vcpuIds = Array.from({ length: valueOf(pv.vcpuCount()) }, (_, vcpuId) => vcpuId);
  return [
    { type: LIBXC_RECORD.X86_TSC_INFO, body: tsc },
    { type: LIBXC_RECORD.SHARED_INFO, body: pv.sharedInfo() },
    ...vcpuIds.flatMap((vcpuId) => vcpuRecords(vcpuId, valueOf(pv.vcpu(vcpuId)))),
  ];
}

/** A vCPU's records; those that Xen has nothing for are left out, as is an offline vCPU. */
function vcpuRecords(vcpuId: number, vcpu: PvVcpu | undefined): readonly RecordParts[] {
  if (vcpu === undefined) {
    return [];
  }
  const parts = [
    [LIBXC_RECORD.X86_PV_VCPU_BASIC, vcpu.basic],
    [LIBXC_RECORD.X86_PV_VCPU_EXTENDED, vcpu.extended],
    [LIBXC_RECORD.X86_PV_VCPU_XSAVE, vcpu.xsave],
    [LIBXC_RECORD.X86_PV_VCPU_MSRS, vcpu.msrs],
  ] as const;
  return parts
    .filter(([, context]) => context.length > 0)
    .map(([type, context]) => ({
      type,
      body: encodeVcpuContext({ vcpuId, reserved: 0, context }),
    }));
}
