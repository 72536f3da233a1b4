import {
  decodeCpuidPolicy,
  decodeHvmParams,
  decodeMsrPolicy,
  decodeTscInfo,
} from "../codec/bodies.ts";
import { cpuIdentity } from "../codec/cpu-policy.ts";
import { decodeHvmEntry, splitHvmContext } from "../codec/hvm-context.ts";
import { hvmParamName } from "../format/libxc.ts";
import type { BodyClause } from "./verify-clauses.ts";

/**
 * Clauses about records that restore hands to the hypervisor: what any Xen refuses, whatever the
 * machine. What depends on the machine's CPU is not looked at.
 */

/** Modes of the time stamp counter. @source xen/arch/x86/time.c tsc_set_info of 4.13 and later */
const TSC_MODE_MAX = 2;

/** Params there are. @source xen/include/public/hvm/params.h HVM_NR_PARAMS */
const HVM_PARAM_COUNT = 39n;

/** PAE_ENABLED, which restore skips. @source xg_sr_restore_x86_hvm.c handle_hvm_params */
const HVM_PARAM_SKIPPED = 4n;

/** Params that cannot be set any more. @source xen/arch/x86/hvm/hvm.c hvm_allow_set_param */
const HVM_PARAMS_GONE: ReadonlySet<bigint> = new Set([13n, 20n, 21n, 22n, 23n, 24n, 25n, 26n, 30n]);

/** Highest values of params that have one. @source xen/arch/x86/hvm/hvm.c hvm_set_param */
const HVM_PARAM_MAX: ReadonlyMap<bigint, bigint> = new Map([
  [10n, 3n],
  [15n, 0xffff_ffffn],
  [31n, 5n],
  [35n, 3n],
  [36n, 8n],
]);

/** Params that name a frame which has to be there. */
const HVM_FRAME_PARAMS: ReadonlySet<bigint> = new Set([1n, 5n, 6n, 17n]);

/** Leaves that X86_CPUID_POLICY may have. @source xen/lib/x86/cpuid.c x86_cpuid_copy_from_buffer */
const CPUID_LEAVES = [
  { first: 0, last: 0xd },
  { first: 0x4000_0000, last: 0x4000_0000 },
  { first: 0x4000_0100, last: 0x4000_0100 },
  { first: 0x8000_0000, last: 0x8000_0021 },
] as const;

/** MSRs that X86_MSR_POLICY may have. @source xen/lib/x86/msr.c x86_msr_copy_from_buffer */
const POLICY_MSRS: ReadonlySet<number> = new Set([0xce, 0x10a]);

/** X86_TSC_INFO. */
export const tscInfo: BodyClause = (record, _guest, tell) => {
  const { mode, reserved } = decodeTscInfo(record);
  if (mode > TSC_MODE_MAX) {
    tell("RECORD_VALUE", "refused", { mode, modeMax: TSC_MODE_MAX });
  }
  if (reserved !== 0) {
    tell("RECORD_RESERVED", "violated", { reserved });
  }
};

/** HVM_CONTEXT. @source xen/arch/x86/hvm/save.c hvm_load */
export const hvmContext: BodyClause = (record, _guest, tell) => {
  if (record.body.length === 0) {
    tell("RECORD_LENGTH", "refused", { bodyBytes: 0 });
    return;
  }
  const { entries, trailingBytes, error } = splitHvmContext(record);
  const unknown = entries.find(({ name }) => name === undefined);
  const unusual = entries.find((entry) => "unusual_length" in decodeHvmEntry(entry));
  if (error !== undefined) {
    tell(error.code, "refused", error.where);
  } else if (unknown !== undefined) {
    const { typecode, bodyOffset } = unknown;
    tell("RECORD_VALUE", "refused", { typecode, bodyOffset });
  } else if (unusual !== undefined) {
    const { name, bodyOffset, content } = unusual;
    tell("RECORD_LENGTH", "refused", { entry: name, bodyOffset, entryBytes: content.length });
  } else if (trailingBytes > 0) {
    tell("RECORD_LENGTH", "suspicious", { trailingBytes });
  }
};

/** HVM_PARAMS; without params it is an erratum of Xen 4.6 to 4.8. */
export const hvmParams: BodyClause = (record, guest, tell) => {
  const { params, reserved } = decodeHvmParams(record);
  if (params.length === 0) {
    tell("RECORD_EMPTY", "suspicious");
  }
  if (reserved !== 0) {
    tell("RECORD_RESERVED", "violated", { reserved });
  }
  for (const { index, value } of params) {
    if (index === HVM_PARAM_SKIPPED) {
      continue;
    }
    const valueMax = HVM_PARAM_MAX.get(index);
    if (index >= HVM_PARAM_COUNT || HVM_PARAMS_GONE.has(index)) {
      tell("RECORD_VALUE", "refused", { index });
      return;
    }
    if (valueMax !== undefined && value > valueMax) {
      tell("RECORD_VALUE", "refused", { index, value, valueMax });
      return;
    }
    if (HVM_FRAME_PARAMS.has(index)) {
      const pfn = Number(value);
      guest.paramFrames.set(hvmParamName(index) ?? "", { pfn, offset: record.offset });
    }
  }
};

/** X86_CPUID_POLICY. */
export const cpuidPolicy: BodyClause = (record, guest, tell) => {
  const leaves = decodeCpuidPolicy(record);
  const unknown = leaves.find(
    ({ leaf }) => !CPUID_LEAVES.some(({ first, last }) => leaf >= first && leaf <= last),
  );
  if (unknown !== undefined) {
    tell("RECORD_VALUE", "refused", { leaf: unknown.leaf, subleaf: unknown.subleaf });
  }
  const bits = cpuIdentity({ leaves, msrs: undefined }).physical_address_bits;
  guest.addressBits = bits > 12 ? bits : undefined;
};

/** X86_MSR_POLICY; the flags are reserved, and Xen takes none. */
export const msrPolicy: BodyClause = (record, _guest, tell) => {
  for (const { index, flags } of decodeMsrPolicy(record)) {
    if (flags !== 0 || !POLICY_MSRS.has(index)) {
      tell("RECORD_VALUE", "refused", { msr: index, flags });
      return;
    }
  }
};
