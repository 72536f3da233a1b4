import { MigrationError } from "../base/errors.ts";
import {
  encodeP2mFrames,
  encodePvInfo,
  encodeTscInfo,
  encodeVcpuContext,
} from "../codec/bodies.ts";
import type { RecordParts } from "../codec/record.ts";
import { GUEST_TYPE, LIBXC_RECORD } from "../format/libxc.ts";
import { type OpenXen, resultOf, type XenDomain } from "./addon.ts";
import type { PvVcpu, XenPvSource } from "./pv-addon.ts";
import type { DomainSource } from "./source.ts";

/**
 * A PV domain on its way out.
 *
 * @throws MigrationError GUEST_HOST_CALL; GUEST_FRAMES where its p2m does not hold together
 * @source xg_sr_save_x86_pv.c, x86_pv_setup
 */
export function pvSource(xen: OpenXen, domain: XenDomain): DomainSource {
  const pv = new xen.addon.PvSource(domain);
  resultOf(pv.load());
  return {
    guestType: GUEST_TYPE.X86_PV,
    frameCount: pv.pfnCount(),
    pv,
    infoRecords: [infoRecord(pv)],
    startRecords: [p2mFramesRecord(pv)],
    stateRecords: () => stateRecords(domain, pv),
    check: () => expectSteady(pv),
  };
}

/** @throws MigrationError GUEST_FRAMES */
function expectSteady(pv: XenPvSource): void {
  if (pv.hasMoved()) {
    throw new MigrationError("GUEST_FRAMES", { hasMovedP2m: true });
  }
}

/** X86_PV_INFO */
function infoRecord(pv: XenPvSource): RecordParts {
  const guestWidth = pv.width();
  const body = encodePvInfo({ guestWidth, ptLevels: guestWidth === 8 ? 4 : 3 });
  return { type: LIBXC_RECORD.X86_PV_INFO, body };
}

/** X86_PV_P2M_FRAMES: where the guest keeps its p2m. */
function p2mFramesRecord(pv: XenPvSource): RecordParts {
  const body = encodeP2mFrames({ startPfn: 0, endPfn: pv.pfnCount() - 1, p2mPfns: pv.p2mPfns() });
  return { type: LIBXC_RECORD.X86_PV_P2M_FRAMES, body };
}

/**
 * The records behind the memory of a suspended PV guest, in Xen's order.
 *
 * @throws MigrationError GUEST_HOST_CALL; GUEST_FRAMES where a vCPU names frames of others
 * @source xg_sr_save_x86_pv.c, x86_pv_end_of_checkpoint
 */
function stateRecords(domain: XenDomain, pv: XenPvSource): readonly RecordParts[] {
  const tsc = encodeTscInfo({ ...resultOf(domain.tscInfo()), reserved: 0 });
  const vcpuIds = Array.from({ length: resultOf(pv.vcpuCount()) }, (_, vcpuId) => vcpuId);
  return [
    { type: LIBXC_RECORD.X86_TSC_INFO, body: tsc },
    { type: LIBXC_RECORD.SHARED_INFO, body: pv.sharedInfo() },
    ...vcpuIds.flatMap((vcpuId) => vcpuRecords(vcpuId, resultOf(pv.vcpu(vcpuId)))),
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
