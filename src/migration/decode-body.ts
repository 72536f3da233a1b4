import {
  decodeCpuidPolicy,
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
import { LIBXC_RECORD } from "../format/libxc.ts";
import { checkpointControlName, emulatorName, LIBXL_RECORD } from "../format/libxl.ts";

/**
 * Decodes the body of a record into plain values; blobs are told by their length.
 *
 * @returns `undefined` for records without fields of their own, or of an unknown type.
 * @throws MigrationError RECORD_LENGTH, RECORD_VALUE
 */
export function decodeBody(event: RecordEvent): object | undefined {
  if (event.isOptional || event.isInferred) {
    return undefined;
  }
  return event.layer === "libxl" ? decodeLibxlBody(event) : decodeLibxcBody(event);
}

function decodeLibxcBody(event: RecordEvent): object | undefined {
  switch (event.type) {
    case LIBXC_RECORD.X86_PV_INFO:
      return decodePvInfo(event);
    case LIBXC_RECORD.X86_PV_P2M_FRAMES: {
      const { startPfn, endPfn, p2mPfns } = decodeP2mFrames(event);
      return { startPfn, endPfn, frames: p2mPfns.length };
    }
    case LIBXC_RECORD.X86_PV_VCPU_BASIC:
    case LIBXC_RECORD.X86_PV_VCPU_EXTENDED:
    case LIBXC_RECORD.X86_PV_VCPU_XSAVE:
    case LIBXC_RECORD.X86_PV_VCPU_MSRS: {
      const { vcpuId, context } = decodeVcpuContext(event);
      return { vcpuId, contextBytes: context.length };
    }
    case LIBXC_RECORD.X86_TSC_INFO:
      return decodeTscInfo(event);
    case LIBXC_RECORD.HVM_PARAMS:
      return decodeHvmParams(event);
    case LIBXC_RECORD.X86_CPUID_POLICY:
      return { leaves: decodeCpuidPolicy(event) };
    case LIBXC_RECORD.X86_MSR_POLICY:
      return { msrs: decodeMsrPolicy(event) };
    default:
      return undefined;
  }
}

function decodeLibxlBody(event: RecordEvent): object | undefined {
  switch (event.type) {
    case LIBXL_RECORD.EMULATOR_XENSTORE_DATA:
      return { ...emulatorOf(event), pairs: decodeXenstoreData(event) };
    case LIBXL_RECORD.EMULATOR_CONTEXT:
      return { ...emulatorOf(event), contextBytes: decodeEmulatorPart(event).data.length };
    case LIBXL_RECORD.CHECKPOINT_STATE: {
      const controlId = decodeCheckpointState(event);
      return { controlId, control: checkpointControlName(controlId) };
    }
    default:
      return undefined;
  }
}

function emulatorOf(event: RecordEvent) {
  const { emulatorId, index } = decodeEmulatorPart(event);
  return { emulatorId, emulator: emulatorName(emulatorId), index };
}
