import { encodeHvmParams, encodePvInfo, encodeVcpuContext } from "../codec/bodies.ts";
import { encodeEmulatorPart, encodeXenstoreData } from "../codec/libxl-bodies.ts";
import type { RecordDraft } from "../codec/made-events.ts";
import { LIBXC_RECORD } from "../format/libxc.ts";
import { EMULATOR_ID, LIBXL_RECORD } from "../format/libxl.ts";
import type { LegacyParam, LegacyPhysmap, LegacyTail, LegacyVcpu } from "./events.ts";

export function libxcRecord(
  name: keyof typeof LIBXC_RECORD,
  body: Uint8Array = NOTHING,
): RecordDraft {
  return { layer: "libxc", type: LIBXC_RECORD[name], body };
}

export function libxlRecord(
  name: keyof typeof LIBXL_RECORD,
  body: Uint8Array = NOTHING,
): RecordDraft {
  return { layer: "libxl", type: LIBXL_RECORD[name], body };
}

const NOTHING = new Uint8Array(0);

/** X86_PV_INFO of a guest of that word size. */
export function pvInfoRecord(guestWidth: 4 | 8): RecordDraft {
  const ptLevels = guestWidth === 8 ? 4 : 3;
  return libxcRecord("X86_PV_INFO", encodePvInfo({ guestWidth, ptLevels }));
}

/** HVM_PARAMS; none for no params, which a receiver would have to ignore. */
export function paramsRecords(params: readonly LegacyParam[]): readonly RecordDraft[] {
  return params.length === 0
    ? []
    : [libxcRecord("HVM_PARAMS", encodeHvmParams({ reserved: 0, params }))];
}

/** The records of libxc that end a checkpoint's state. */
export function tailRecords(tail: LegacyTail): readonly RecordDraft[] {
  return tail.guest === "pv"
    ? [...tail.vcpus.flatMap(vcpuRecords), libxcRecord("SHARED_INFO", tail.sharedInfo)]
    : [...paramsRecords(tail.params), libxcRecord("HVM_CONTEXT", tail.context)];
}

function vcpuRecords({ vcpuId, basic, extended, xsave }: LegacyVcpu): readonly RecordDraft[] {
  const parts = [
    ["X86_PV_VCPU_BASIC", basic],
    ["X86_PV_VCPU_EXTENDED", extended],
    ["X86_PV_VCPU_XSAVE", xsave],
  ] as const;
  return parts.flatMap(([name, context]) =>
    context === undefined
      ? []
      : [libxcRecord(name, encodeVcpuContext({ vcpuId, reserved: 0, context }))],
  );
}

/**
 * The records of libxl behind an HVM guest's state. The stream does not tell which device model
 * it was; PV guests have none, whatever their toolstack wrote.
 */
export function emulatorRecords(
  tail: LegacyTail,
  physmap: readonly LegacyPhysmap[],
): readonly RecordDraft[] {
  if (tail.guest === "pv") {
    return [];
  }
  const part = { emulatorId: EMULATOR_ID.UNKNOWN, index: 0 };
  const records: RecordDraft[] = [];
  if (physmap.length > 0) {
    const data = encodeXenstoreData(physmap.flatMap(xenstorePairs));
    records.push(libxlRecord("EMULATOR_XENSTORE_DATA", encodeEmulatorPart({ ...part, data })));
  }
  if (tail.emulator !== undefined) {
    const data = tail.emulator.state;
    records.push(libxlRecord("EMULATOR_CONTEXT", encodeEmulatorPart({ ...part, data })));
  }
  return records;
}

/** @source libxl_dom.c libxl__toolstack_restore */
function xenstorePairs({ physOffset, startAddress, sizeBytes, name }: LegacyPhysmap) {
  const key = `physmap/${physOffset.toString(16)}`;
  const pairs = [
    { key: `${key}/start_addr`, value: startAddress.toString(16) },
    { key: `${key}/size`, value: sizeBytes.toString(16) },
  ];
  return name === undefined ? pairs : [...pairs, { key: `${key}/name`, value: name }];
}
