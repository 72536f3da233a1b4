import { encodeHvmParams, encodeTscInfo } from "../codec/bodies.ts";
import type { RecordParts } from "../codec/record.ts";
import { GUEST_TYPE, LIBXC_RECORD } from "../format/libxc.ts";
import { resultOf, type XenDomain } from "./addon.ts";
import { SAVED_HVM_PARAMS } from "./hvm-params.ts";
import type { DomainSource } from "./source.ts";

/** An HVM or PVH domain on its way out. @throws MigrationError GUEST_HOST_CALL */
export function hvmSource(domain: XenDomain): DomainSource {
  return {
    guestType: GUEST_TYPE.X86_HVM,
    frameCount: resultOf(domain.frameCount()),
    pv: undefined,
    infoRecords: [],
    startRecords: [],
    stateRecords: () => hvmStateRecords(domain),
    check: () => undefined,
  };
}

/**
 * The records behind the memory of a suspended HVM or PVH guest, in Xen's order.
 *
 * @throws MigrationError GUEST_HOST_CALL
 * @source xg_sr_save_x86_hvm.c, x86_hvm_end_of_checkpoint
 */
function hvmStateRecords(domain: XenDomain): readonly RecordParts[] {
  const tsc = encodeTscInfo({ ...resultOf(domain.tscInfo()), reserved: 0 });
  return [
    { type: LIBXC_RECORD.X86_TSC_INFO, body: tsc },
    { type: LIBXC_RECORD.HVM_CONTEXT, body: resultOf(domain.hvmContext()) },
    ...hvmParamRecords(domain),
  ];
}

/** One record, or none where no param is set. */
function hvmParamRecords(domain: XenDomain): readonly RecordParts[] {
  const params = SAVED_HVM_PARAMS.map((index) => ({
    index: BigInt(index),
    value: resultOf(domain.hvmParam(index)),
  })).filter(({ value }) => value !== 0n);
  return params.length === 0
    ? []
    : [{ type: LIBXC_RECORD.HVM_PARAMS, body: encodeHvmParams({ reserved: 0, params }) }];
}
