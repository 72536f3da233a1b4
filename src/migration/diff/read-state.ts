import { MigrationError } from "../../base/errors.ts";
import { decodeCpuidPolicy, decodeHvmParams, decodeMsrPolicy } from "../../codec/bodies.ts";
import { cpuFeatures } from "../../codec/cpu-policy.ts";
import { hexText } from "../../codec/layout.ts";
import { decodeEmulatorPart, decodeXenstoreData } from "../../codec/libxl-bodies.ts";
import { recordLabel } from "../../codec/record.ts";
import { isSavevm, splitSavevm } from "../../codec/savevm.ts";
import { NO_SUBLEAF } from "../../format/cpuid-features.ts";
import { hvmParamName, LIBXC_RECORD } from "../../format/libxc.ts";
import { emulatorName, LIBXL_RECORD } from "../../format/libxl.ts";
import { msrName } from "../../format/msr.ts";
import { SAVEVM_SECTION_HEAD_BYTES, SAVEVM_SECTION_TAIL_BYTES } from "../../format/savevm.ts";
import type { ImageContents, KeptRecord } from "../image-contents.ts";
import type { Json, JsonObject } from "../inspect-json.ts";
import { RecordDescriber } from "../inspect-records.ts";
import { putHvmContext } from "./hvm-state.ts";
import { GuestState, type StateArea } from "./state.ts";

/** Characters of a configuration that are told apart. */
const CONFIG_CHARACTERS_MAX = 1024 * 1024;

type Put = (state: GuestState, record: KeptRecord) => void;

/**
 * All that an image says of its guest beside the memory, as fields.
 *
 * What cannot be decoded is there as its octets.
 */
export function readGuestState(contents: ImageContents): GuestState {
  const state = new GuestState();
  putHeaders(state, contents);
  putConfig(state, contents.configText);
  const describer = new RecordDescriber();
  for (const record of contents.records) {
    try {
      putRecord(state, record, describer);
    } catch (error) {
      if (!(error instanceof MigrationError)) {
        throw error;
      }
      state.put("records", recordLabel(record.layer, record.type), record.body);
    }
  }
  return state;
}

function putHeaders(state: GuestState, { libxl, libxc, domain }: ImageContents): void {
  const put = (name: string, value: string | number | undefined) => {
    if (value !== undefined) {
      state.put("headers", name, value);
    }
  };
  put("libxl.version", libxl?.version);
  put("libxl.options", libxl?.options);
  put("libxc.version", libxc?.version);
  put("libxc.options", libxc?.options);
  put("domain.guest_type", domain?.guestType);
  put("domain.xen", domain && `${domain.xenMajor}.${domain.xenMinor}`);
}

function putConfig(state: GuestState, text: string | undefined): void {
  if (text === undefined || text.length > CONFIG_CHARACTERS_MAX) {
    state.put("config", "config", text === undefined ? null : Buffer.from(text, "latin1"));
    return;
  }
  let config: Json = text;
  try {
    config = JSON.parse(text) as Json;
  } catch {
    // A configuration in xl's own syntax is one text.
  }
  state.putAll("config", "config", config);
}

function putRecord(state: GuestState, record: KeptRecord, describer: RecordDescriber): void {
  const { layer, type, body, bodyBytes } = record;
  if (bodyBytes !== body.length) {
    state.put("records", `${recordLabel(layer, type)}.bytes`, bodyBytes);
    return;
  }
  const own = (layer === "libxl" ? LIBXL_RECORDS : LIBXC_RECORDS).get(type);
  if (own !== undefined) {
    own(state, record);
    return;
  }
  const described = DESCRIBED.get(type);
  if (layer === "libxc" && described !== undefined) {
    const { area, path } = described;
    const decoded = describer.describe(record);
    const whole = path(decoded);
    state.putAll(area, whole, withoutNumber(decoded));
    state.putWhole(area, whole, body);
  } else if (body.length > 0 || record.name === undefined) {
    state.put("records", recordLabel(layer, type), body);
  }
}

/** The number of a vCPU is in the path already; long lists of ports are one field. */
function withoutNumber({ vcpu: _, ...decoded }: JsonObject): JsonObject {
  const members = Object.entries(decoded).map(([name, value]) =>
    name.startsWith("evtchn_") && Array.isArray(value) ? [name, value.join(" ")] : [name, value],
  );
  return Object.fromEntries(members);
}

/** Records that are told as they are inspected. */
const DESCRIBED: ReadonlyMap<number, Described> = new Map<number, Described>([
  [LIBXC_RECORD.X86_TSC_INFO, { area: "tsc", path: () => "tsc" }],
  [LIBXC_RECORD.X86_PV_INFO, { area: "pv", path: () => "pv.info" }],
  [LIBXC_RECORD.X86_PV_P2M_FRAMES, { area: "pv", path: () => "pv.p2m" }],
  [LIBXC_RECORD.SHARED_INFO, { area: "shared-info", path: () => "shared-info" }],
  [LIBXC_RECORD.X86_PV_VCPU_BASIC, vcpuRecord("basic")],
  [LIBXC_RECORD.X86_PV_VCPU_EXTENDED, vcpuRecord("extended")],
  [LIBXC_RECORD.X86_PV_VCPU_XSAVE, vcpuRecord("xsave")],
  [LIBXC_RECORD.X86_PV_VCPU_MSRS, vcpuRecord("msrs")],
]);

interface Described {
  readonly area: StateArea;
  readonly path: (decoded: JsonObject) => string;
}

function vcpuRecord(name: string): Described {
  const path = ({ vcpu }: JsonObject) => `vcpu[${vcpu ?? "?"}].${name}`;
  return { area: "vcpus", path };
}

const LIBXC_RECORDS: ReadonlyMap<number, Put> = new Map<number, Put>([
  [LIBXC_RECORD.X86_CPUID_POLICY, putCpuidPolicy],
  [LIBXC_RECORD.X86_MSR_POLICY, putMsrPolicy],
  [LIBXC_RECORD.HVM_PARAMS, putHvmParams],
  [LIBXC_RECORD.HVM_CONTEXT, putHvmContext],
]);

const LIBXL_RECORDS: ReadonlyMap<number, Put> = new Map<number, Put>([
  [LIBXL_RECORD.EMULATOR_XENSTORE_DATA, putXenstore],
  [LIBXL_RECORD.EMULATOR_CONTEXT, putEmulator],
]);

function putCpuidPolicy(state: GuestState, record: KeptRecord): void {
  const leaves = decodeCpuidPolicy(record);
  for (const leaf of leaves) {
    const subleaf = leaf.subleaf === NO_SUBLEAF ? "" : `:${leaf.subleaf}`;
    for (const register of ["eax", "ebx", "ecx", "edx"] as const) {
      const path = `cpuid.${hexText(leaf.leaf)}${subleaf}.${register}`;
      state.put("cpuid", path, hexText(leaf[register]));
    }
  }
  for (const name of cpuFeatures({ leaves, msrs: undefined }).names) {
    state.put("cpuid", `cpuid.feature.${name}`, true);
  }
}

function putMsrPolicy(state: GuestState, record: KeptRecord): void {
  for (const { index, flags, value } of decodeMsrPolicy(record)) {
    const name = msrName(index);
    const path = `msr.${hexText(index)}${name === undefined ? "" : `(${name})`}`;
    state.put("msr", path, hexText(value));
    if (flags !== 0) {
      state.put("msr", `${path}.flags`, flags);
    }
  }
}

function putHvmParams(state: GuestState, record: KeptRecord): void {
  for (const { index, value } of decodeHvmParams(record).params) {
    state.put("params", `params.${hvmParamName(index) ?? hexText(index)}`, hexText(value));
  }
}

function putXenstore(state: GuestState, record: KeptRecord): void {
  for (const { key, value } of decodeXenstoreData(record)) {
    state.put("xenstore", `xenstore.${key}`, value);
  }
}

/** A device model's sections by their names and instances. */
function putEmulator(state: GuestState, record: KeptRecord): void {
  const { emulatorId, index, data } = decodeEmulatorPart(record);
  const name = emulatorName(emulatorId) ?? hexText(emulatorId);
  const path = `emulator.${name}${index === 0 ? "" : `[${index}]`}`;
  const savevm = isSavevm(data) ? splitSavevm(data, record) : undefined;
  if (savevm === undefined || savevm.error !== undefined) {
    state.put("emulator", path, data);
    return;
  }
  for (const { name: device, instance, version, offset, bytes } of savevm.sections) {
    const section = `${path}.${device}[${instance}]`;
    const stateAt = offset + SAVEVM_SECTION_HEAD_BYTES + device.length + SAVEVM_SECTION_TAIL_BYTES;
    state.put("emulator", `${section}.version`, version);
    state.put("emulator", `${section}.state`, data.subarray(stateAt, stateAt + bytes));
  }
}
