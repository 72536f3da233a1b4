import { type ErrorFacts, MigrationError } from "../base/errors.ts";
import {
  decodeCpuidPolicy,
  decodeDirtyPfnList,
  decodeHvmParams,
  decodeMsrPolicy,
  decodeP2mFrames,
  decodePvInfo,
  decodeTscInfo,
  decodeVcpuContext,
} from "../codec/bodies.ts";
import type { RecordEvent } from "../codec/events.ts";
import {
  decodeCheckpointState,
  decodeEmulatorPart,
  decodeXenstoreData,
} from "../codec/libxl-bodies.ts";
import { hvmParamName, LIBXC_RECORD } from "../format/libxc.ts";
import { checkpointControlName, emulatorName, LIBXL_RECORD } from "../format/libxl.ts";

/** What JSON can hold. 64-bit numbers are strings: hexadecimal, but nanoseconds decimal. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json };

/** Entries of a list that are shown; the rest is only counted. */
const LIST_ENTRIES_MAX = 1024;

type Decode = (record: RecordEvent) => Readonly<Record<string, Json>>;

/**
 * What is in a small record, for a person or a program to read.
 *
 * A body that cannot be decoded gives `error`, a code; one that nothing is known of gives nothing.
 */
export function describeRecord(record: RecordEvent): Readonly<Record<string, Json>> {
  const decoders = record.layer === "libxl" ? LIBXL_DECODERS : LIBXC_DECODERS;
  try {
    return decoders.get(record.type)?.(record) ?? {};
  } catch (error) {
    if (error instanceof MigrationError) {
      return { error: error.code };
    }
    throw error;
  }
}

const pvInfo: Decode = (record) => {
  const { guestWidth, ptLevels } = decodePvInfo(record);
  return { guest_width: guestWidth, pt_levels: ptLevels };
};

const p2mFrames: Decode = (record) => {
  const { startPfn, endPfn, p2mPfns } = decodeP2mFrames(record);
  const shown = Array.from(p2mPfns.subarray(0, LIST_ENTRIES_MAX), hex);
  return { start_pfn: startPfn, end_pfn: endPfn, frames: p2mPfns.length, p2m_pfns: shown };
};

const vcpu: Decode = (record) => {
  const { vcpuId, context } = decodeVcpuContext(record);
  return { vcpu: vcpuId, context_bytes: context.length };
};

const tscInfo: Decode = (record) => {
  const { mode, khz, nsec, incarnation } = decodeTscInfo(record);
  return { mode, khz, nsec: nsec.toString(), incarnation };
};

const hvmParams: Decode = (record) => {
  const { params } = decodeHvmParams(record);
  const shown = params.slice(0, LIST_ENTRIES_MAX).map(({ index, value }) => ({
    index: index.toString(),
    name: hvmParamName(index) ?? null,
    value: hex(value),
  }));
  return { count: params.length, params: shown };
};

const cpuidPolicy: Decode = (record) => {
  const leaves = decodeCpuidPolicy(record);
  const shown = leaves.slice(0, LIST_ENTRIES_MAX).map((leaf) => ({
    leaf: hex(leaf.leaf),
    subleaf: hex(leaf.subleaf),
    eax: hex(leaf.eax),
    ebx: hex(leaf.ebx),
    ecx: hex(leaf.ecx),
    edx: hex(leaf.edx),
  }));
  return { count: leaves.length, leaves: shown };
};

const msrPolicy: Decode = (record) => {
  const msrs = decodeMsrPolicy(record);
  const shown = msrs.slice(0, LIST_ENTRIES_MAX).map(({ index, flags, value }) => ({
    msr: hex(index),
    flags,
    value: hex(value),
  }));
  return { count: msrs.length, msrs: shown };
};

const dirtyPfnList: Decode = (record) => {
  const pfns = decodeDirtyPfnList(record);
  return { count: pfns.length, pfns: Array.from(pfns.subarray(0, LIST_ENTRIES_MAX), hex) };
};

const emulatorContext: Decode = (record) => {
  const { emulatorId, index, data } = decodeEmulatorPart(record);
  const emulator = emulatorName(emulatorId) ?? hex(emulatorId);
  return { emulator, index, context_bytes: data.length };
};

const xenstoreData: Decode = (record) => {
  const { emulatorId, index } = decodeEmulatorPart(record);
  const pairs = decodeXenstoreData(record);
  const shown = pairs.slice(0, LIST_ENTRIES_MAX).map(({ key, value }) => ({ key, value }));
  return { emulator: emulatorName(emulatorId) ?? hex(emulatorId), index, xenstore: shown };
};

const checkpointState: Decode = (record) => {
  const control = decodeCheckpointState(record);
  return { control: checkpointControlName(control) ?? hex(control) };
};

const LIBXC_DECODERS: ReadonlyMap<number, Decode> = new Map([
  [LIBXC_RECORD.X86_PV_INFO, pvInfo],
  [LIBXC_RECORD.X86_PV_P2M_FRAMES, p2mFrames],
  [LIBXC_RECORD.X86_PV_VCPU_BASIC, vcpu],
  [LIBXC_RECORD.X86_PV_VCPU_EXTENDED, vcpu],
  [LIBXC_RECORD.X86_PV_VCPU_XSAVE, vcpu],
  [LIBXC_RECORD.X86_PV_VCPU_MSRS, vcpu],
  [LIBXC_RECORD.X86_TSC_INFO, tscInfo],
  [LIBXC_RECORD.HVM_PARAMS, hvmParams],
  [LIBXC_RECORD.CHECKPOINT_DIRTY_PFN_LIST, dirtyPfnList],
  [LIBXC_RECORD.X86_CPUID_POLICY, cpuidPolicy],
  [LIBXC_RECORD.X86_MSR_POLICY, msrPolicy],
]);

const LIBXL_DECODERS: ReadonlyMap<number, Decode> = new Map([
  [LIBXL_RECORD.EMULATOR_XENSTORE_DATA, xenstoreData],
  [LIBXL_RECORD.EMULATOR_CONTEXT, emulatorContext],
  [LIBXL_RECORD.CHECKPOINT_STATE, checkpointState],
]);

/** Facts of an error as JSON can hold them. */
export function describeFacts(facts: ErrorFacts): Readonly<Record<string, Json>> {
  const entries = Object.entries(facts).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries.map(([name, value]) => [
      name,
      typeof value === "bigint" ? hex(value) : (value ?? null),
    ]),
  );
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
