import { MigrationError } from "../base/errors.ts";
import {
  decodeP2mFrames,
  decodePvInfo,
  decodeTscInfo,
  decodeVcpuContext,
} from "../codec/bodies.ts";
import type { DomainHeader, RecordEvent, StreamEvent } from "../codec/events.ts";
import { decodeEmulatorPart, decodeXenstoreData } from "../codec/libxl-bodies.ts";
import { GUEST_TYPE, LIBXC_RECORD, type LibxcRecordName } from "../format/libxc.ts";
import { EMULATOR_ID, LIBXL_RECORD, type LibxlRecordName } from "../format/libxl.ts";

/** Records by the words that Xen's verify-stream-v2 has for them. */
const LIBXC_WORDS: Readonly<Record<LibxcRecordName, string>> = {
  END: "End",
  PAGE_DATA: "Page data",
  X86_PV_INFO: "x86 PV info",
  X86_PV_P2M_FRAMES: "x86 PV P2M frames",
  X86_PV_VCPU_BASIC: "x86 PV vcpu basic",
  X86_PV_VCPU_EXTENDED: "x86 PV vcpu extended",
  X86_PV_VCPU_XSAVE: "x86 PV vcpu xsave",
  SHARED_INFO: "Shared info",
  X86_TSC_INFO: "TSC info",
  HVM_CONTEXT: "HVM context",
  HVM_PARAMS: "HVM params",
  TOOLSTACK: "Toolstack",
  X86_PV_VCPU_MSRS: "x86 PV vcpu msrs",
  VERIFY: "Verify",
  CHECKPOINT: "Checkpoint",
  CHECKPOINT_DIRTY_PFN_LIST: "Checkpoint dirty pfn list",
  STATIC_DATA_END: "Static data end",
  X86_CPUID_POLICY: "x86 CPUID policy",
  X86_MSR_POLICY: "x86 MSR policy",
};
const LIBXL_WORDS: Readonly<Record<LibxlRecordName, string>> = {
  END: "End",
  LIBXC_CONTEXT: "Libxc context",
  EMULATOR_XENSTORE_DATA: "Emulator xenstore data",
  EMULATOR_CONTEXT: "Emulator context",
  CHECKPOINT_END: "Checkpoint end",
  CHECKPOINT_STATE: "Checkpoint state",
};
const EMULATOR_WORDS: ReadonlyMap<number, string> = new Map([
  [EMULATOR_ID.UNKNOWN, "Unknown"],
  [EMULATOR_ID.QEMU_TRADITIONAL, "Qemu Traditional"],
  [EMULATOR_ID.QEMU_UPSTREAM, "Qemu Upstream"],
]);
const VCPU_WORDS: ReadonlyMap<number, string> = new Map([
  [LIBXC_RECORD.X86_PV_VCPU_BASIC, "basic"],
  [LIBXC_RECORD.X86_PV_VCPU_EXTENDED, "extended"],
  [LIBXC_RECORD.X86_PV_VCPU_XSAVE, "xsave"],
  [LIBXC_RECORD.X86_PV_VCPU_MSRS, "msrs"],
]);

/** Tells what is in a stream, line by line, as `verify-stream-v2 -v` does. */
export class StreamListing {
  #pageDataCount = 0;

  /** The lines that an event adds. */
  linesOf(event: StreamEvent): readonly string[] {
    switch (event.kind) {
      case "xl-header":
        return ["Processed xl header"];
      case "libxl-header": {
        const { byteOrder, isConverted } = event.header;
        return [`Libxl Header: ${byteOrder} endian${isConverted ? ", legacy converted" : ""}`];
      }
      case "image-header": {
        const { version, byteOrder } = event.header;
        return [`Libxc Image Header: Version ${version}, ${byteOrder} endian`];
      }
      case "domain-header":
        return [domainLine(event.header)];
      case "page-data":
        this.#pageDataCount++;
        return [];
      case "pages-taken":
        this.#pageDataCount += event.records;
        return [];
      case "record":
        return event.isInferred ? [] : [...this.#squashed(), ...recordLines(event)];
      default:
        return [];
    }
  }

  #squashed(): readonly string[] {
    const count = this.#pageDataCount;
    this.#pageDataCount = 0;
    return count === 0 ? [] : [`Squashed ${count} Page Data records together`];
  }
}

function domainLine({ guestType, xenMajor, xenMinor }: DomainHeader): string {
  const type =
    guestType === GUEST_TYPE.X86_PV
      ? "x86 PV"
      : guestType === GUEST_TYPE.X86_HVM
        ? "x86 HVM"
        : `type ${guestType}`;
  return xenMajor === 0
    ? `Domain Header: legacy converted ${type}`
    : `Domain Header: ${type} from Xen ${xenMajor}.${xenMinor}`;
}

function recordLines(record: RecordEvent): readonly string[] {
  const { layer, name, type, body } = record;
  const words: Readonly<Record<string, string>> = layer === "libxl" ? LIBXL_WORDS : LIBXC_WORDS;
  const word = words[name ?? ""] ?? name ?? `0x${type.toString(16)}`;
  const title = layer === "libxl" ? "Libxl Record" : "Libxc Record";
  return [`${title}: ${word}, length ${body.length}`, ...detailLines(record)];
}

/** What a body says; nothing of one that is too short for it. */
function detailLines(record: RecordEvent): readonly string[] {
  try {
    return record.layer === "libxl" ? emulatorLines(record) : libxcLines(record);
  } catch (error) {
    if (error instanceof MigrationError) {
      return [];
    }
    throw error;
  }
}

function libxcLines(record: RecordEvent): readonly string[] {
  switch (record.type) {
    case LIBXC_RECORD.X86_PV_INFO: {
      const { guestWidth, ptLevels } = decodePvInfo(record);
      return [`  ${guestWidth * 8}bit guest, ${ptLevels} levels of pagetables`];
    }
    case LIBXC_RECORD.X86_PV_P2M_FRAMES: {
      const { startPfn, endPfn } = decodeP2mFrames(record);
      return [`  Start pfn 0x${startPfn.toString(16)}, End 0x${endPfn.toString(16)}`];
    }
    case LIBXC_RECORD.X86_TSC_INFO: {
      const { mode, khz, nsec, incarnation } = decodeTscInfo(record);
      return [`  Mode ${mode}, ${khz} kHz, ${nsec} ns, incarnation ${incarnation}`];
    }
    default: {
      const kind = VCPU_WORDS.get(record.type);
      if (kind === undefined) {
        return [];
      }
      const { vcpuId, context } = decodeVcpuContext(record);
      return [`  vcpu${vcpuId} ${kind} context, ${context.length} bytes`];
    }
  }
}

function emulatorLines(record: RecordEvent): readonly string[] {
  const isContext = record.type === LIBXL_RECORD.EMULATOR_CONTEXT;
  if (!isContext && record.type !== LIBXL_RECORD.EMULATOR_XENSTORE_DATA) {
    return [];
  }
  const { emulatorId, index } = decodeEmulatorPart(record);
  const emulator = EMULATOR_WORDS.get(emulatorId) ?? `${emulatorId}`;
  if (isContext) {
    return [`  Index ${index}, type ${emulator}`];
  }
  const pairs = decodeXenstoreData(record).map(({ key, value }) => `  '${key}' = '${value}'`);
  return [`Emulator Xenstore Data (${emulator}, idx ${index})`, ...pairs];
}
