import { MigrationError } from "../base/errors.ts";
import {
  decodeDirtyPfnList,
  decodeHvmParams,
  decodeP2mFrames,
  decodePvInfo,
  decodeTscInfo,
} from "../codec/bodies.ts";
import type { RecordEvent } from "../codec/events.ts";
import { hexText } from "../codec/layout.ts";
import {
  decodeCheckpointState,
  decodeEmulatorPart,
  decodeXenstoreData,
} from "../codec/libxl-bodies.ts";
import {
  decodePvVcpuBasic,
  decodePvVcpuExtended,
  decodePvVcpuMsrs,
  decodePvVcpuXsave,
  decodeSharedInfo,
} from "../codec/pv-state.ts";
import { isSavevm, splitSavevm } from "../codec/savevm.ts";
import { hvmParamName, LIBXC_RECORD, VCPU_BASIC_BYTES, VCPU_HEAD_BYTES } from "../format/libxc.ts";
import { checkpointControlName, emulatorName, LIBXL_RECORD } from "../format/libxl.ts";
import type { GuestWidth } from "../format/pv-state.ts";
import { describeCpuidPolicy, describeHvmContext, describeMsrPolicy } from "./inspect-cpu.ts";
import { describePrefix, faultOf, type JsonObject } from "./inspect-json.ts";
import { VcpuPaging } from "./vcpu-paging.ts";

/** Entries of a list that are shown; the rest is only counted. */
const LIST_ENTRIES_MAX = 1024;

/** What of a record is described. */
export type DescribedRecord = Pick<
  RecordEvent,
  "layer" | "type" | "name" | "offset" | "byteOrder" | "body"
>;

type Describe = (record: DescribedRecord) => JsonObject;

/**
 * Says what is in records, for a person or a program to read.
 *
 * What is in a PV guest's records depends on those before them: one for each stream.
 */
export class RecordDescriber {
  /** What was found out of the vCPUs' page tables. */
  readonly paging = new VcpuPaging();
  #guestWidth: GuestWidth | undefined;

  /**
   * What is in a record. A body that cannot be decoded gives `error`, with what was found before
   * it; one that nothing is known of gives its first octets.
   */
  describe(record: DescribedRecord): JsonObject {
    try {
      return record.layer === "libxl" ? describeLibxl(record) : this.#describeLibxc(record);
    } catch (error) {
      if (error instanceof MigrationError) {
        return { error: faultOf(error), ...describePrefix(record.body) };
      }
      throw error;
    }
  }

  #describeLibxc(record: DescribedRecord): JsonObject {
    switch (record.type) {
      case LIBXC_RECORD.X86_PV_INFO:
        return this.#pvInfo(record);
      case LIBXC_RECORD.X86_PV_VCPU_BASIC:
        return this.#pvVcpu(record);
      case LIBXC_RECORD.SHARED_INFO:
        return this.#guestWidth === undefined
          ? describePrefix(record.body)
          : decodeSharedInfo(record, this.#guestWidth);
      case LIBXC_RECORD.HVM_CONTEXT:
        return describeHvmContext(record, this.paging);
      default:
        return LIBXC_DESCRIBERS.get(record.type)?.(record) ?? describeUnnamed(record);
    }
  }

  #pvInfo(record: DescribedRecord): JsonObject {
    const { guestWidth, ptLevels } = decodePvInfo(record);
    this.#guestWidth = guestWidth === 4 || guestWidth === 8 ? guestWidth : undefined;
    this.paging.setPvLevels(ptLevels);
    return { guest_width: guestWidth, pt_levels: ptLevels };
  }

  /** Where X86_PV_INFO is missing, the length tells the width. */
  #pvVcpu(record: DescribedRecord): JsonObject {
    const is32Bit = record.body.length - VCPU_HEAD_BYTES === VCPU_BASIC_BYTES[4];
    const decoded = decodePvVcpuBasic(record, this.#guestWidth ?? (is32Bit ? 4 : 8));
    this.paging.addPv(decoded);
    return decoded;
  }
}

const p2mFrames: Describe = (record) => {
  const { startPfn, endPfn, p2mPfns } = decodeP2mFrames(record);
  const shown = Array.from(p2mPfns.subarray(0, LIST_ENTRIES_MAX), hexText);
  return { start_pfn: startPfn, end_pfn: endPfn, frames: p2mPfns.length, p2m_pfns: shown };
};

const tscInfo: Describe = (record) => {
  const { mode, khz, nsec, incarnation } = decodeTscInfo(record);
  return { mode, khz, nsec: nsec.toString(), incarnation };
};

const hvmParams: Describe = (record) => {
  const { params } = decodeHvmParams(record);
  const shown = params.slice(0, LIST_ENTRIES_MAX).map(({ index, value }) => ({
    index: index.toString(),
    name: hvmParamName(index) ?? null,
    value: hexText(value),
  }));
  return { count: params.length, params: shown };
};

const dirtyPfnList: Describe = (record) => {
  const pfns = decodeDirtyPfnList(record);
  return { count: pfns.length, pfns: Array.from(pfns.subarray(0, LIST_ENTRIES_MAX), hexText) };
};

const LIBXC_DESCRIBERS: ReadonlyMap<number, Describe> = new Map<number, Describe>([
  [LIBXC_RECORD.X86_PV_P2M_FRAMES, p2mFrames],
  [LIBXC_RECORD.X86_PV_VCPU_EXTENDED, decodePvVcpuExtended],
  [LIBXC_RECORD.X86_PV_VCPU_XSAVE, decodePvVcpuXsave],
  [LIBXC_RECORD.X86_PV_VCPU_MSRS, decodePvVcpuMsrs],
  [LIBXC_RECORD.X86_TSC_INFO, tscInfo],
  [LIBXC_RECORD.HVM_PARAMS, hvmParams],
  [LIBXC_RECORD.CHECKPOINT_DIRTY_PFN_LIST, dirtyPfnList],
  [LIBXC_RECORD.X86_CPUID_POLICY, describeCpuidPolicy],
  [LIBXC_RECORD.X86_MSR_POLICY, describeMsrPolicy],
]);

function describeLibxl(record: DescribedRecord): JsonObject {
  switch (record.type) {
    case LIBXL_RECORD.EMULATOR_XENSTORE_DATA:
      return xenstoreData(record);
    case LIBXL_RECORD.EMULATOR_CONTEXT:
      return emulatorContext(record);
    case LIBXL_RECORD.CHECKPOINT_STATE: {
      const control = decodeCheckpointState(record);
      return { control: checkpointControlName(control) ?? hexText(control) };
    }
    default:
      return describeUnnamed(record);
  }
}

function xenstoreData(record: DescribedRecord): JsonObject {
  const { emulatorId, index } = decodeEmulatorPart(record);
  const pairs = decodeXenstoreData(record);
  const shown = pairs.slice(0, LIST_ENTRIES_MAX).map(({ key, value }) => ({ key, value }));
  return { emulator: emulatorName(emulatorId) ?? hexText(emulatorId), index, xenstore: shown };
}

function emulatorContext(record: DescribedRecord): JsonObject {
  const { emulatorId, index, data } = decodeEmulatorPart(record);
  const emulator = emulatorName(emulatorId) ?? hexText(emulatorId);
  const head = { emulator, index, context_bytes: data.length };
  if (!isSavevm(data)) {
    return { ...head, ...describePrefix(data) };
  }
  const { version, sections, error } = splitSavevm(data, record);
  const shown = sections.slice(0, LIST_ENTRIES_MAX).map((section) => ({
    name: section.name,
    instance: section.instance,
    version: section.version,
    bytes: section.bytes,
    offset: section.offset,
  }));
  const failed = error === undefined ? {} : { error: faultOf(error) };
  return { ...head, savevm_version: version, sections: shown, ...failed };
}

/** Nothing to say of records whose types have no body; octets of others. */
function describeUnnamed(record: DescribedRecord): JsonObject {
  const isKnown = record.name !== undefined && record.type !== LIBXC_RECORD.TOOLSTACK;
  return isKnown ? {} : describePrefix(record.body);
}
