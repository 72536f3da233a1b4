import { encodeHvmParams, encodeTscInfo } from "../codec/bodies.ts";
import type { RecordParts } from "../codec/record.ts";
import { LIBXC_RECORD } from "../format/libxc.ts";
import { resultOf, type XenDomain } from "./addon.ts";
import { SAVED_HVM_PARAMS } from "./hvm-params.ts";

/**
 * The records before a guest's memory: policies of its CPUs, and the end of static data.
 *
 * @throws MigrationError GUEST_HOST_CALL
 * @source xg_sr_common_x86.c, write_x86_cpu_policy_records
 */
export function staticRecords(domain: XenDomain): readonly RecordParts[] {
  const { cpuid, msr } = resultOf(domain.cpuPolicies());
  return [
    ...unlessEmpty(LIBXC_RECORD.X86_CPUID_POLICY, cpuid),
    ...unlessEmpty(LIBXC_RECORD.X86_MSR_POLICY, msr),
    { type: LIBXC_RECORD.STATIC_DATA_END, body: new Uint8Array(0) },
  ];
}

/**
 * The records behind the memory of a suspended HVM or PVH guest, in Xen's order.
 *
 * @throws MigrationError GUEST_HOST_CALL
 * @source xg_sr_save_x86_hvm.c, x86_hvm_end_of_checkpoint
 */
export function hvmStateRecords(domain: XenDomain): readonly RecordParts[] {
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

function unlessEmpty(type: number, body: Uint8Array): readonly RecordParts[] {
  return body.length === 0 ? [] : [{ type, body }];
}
