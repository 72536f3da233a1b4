import {
  decodeCpuidPolicy,
  decodeHvmParams,
  decodeMsrPolicy,
  decodeP2mFrames,
  decodeTscInfo,
} from "../codec/bodies.ts";
import type { RecordEvent } from "../codec/events.ts";
import { layoutFields } from "../codec/layout.ts";
import { hexText } from "../codec/scalar.ts";
import type { ByteOrder } from "../codec/steps.ts";
import { NO_SUBLEAF } from "../format/cpuid-features.ts";
import { decimal, hex, hexList, type Layout, layout, pad } from "../format/layout.ts";
import {
  CPUID_LEAF_BYTES,
  HVM_PARAM_BYTES,
  HVM_PARAMS_HEAD_BYTES,
  hvmParamName,
  LIBXC_RECORD,
  MSR_ENTRY_BYTES,
  PV_INFO_BYTES,
} from "../format/libxc.ts";
import { CHECKPOINT_CONTROL, EMULATOR_ID, LIBXL_RECORD } from "../format/libxl.ts";
import { type BodyField, Names } from "./fields.ts";
import { hvmContextFields } from "./hvm-fields.ts";

const PV_INFO = layout(decimal(8, "guest_width pt_levels"));
const TSC_INFO = layout(decimal(32, "mode khz"), decimal(64, "nsec"), decimal(32, "incarnation"));
const CPUID_LEAF = layout(pad(8), hex(32, "eax ebx ecx edx"));
const MSR_ENTRY = layout(pad(4), decimal(32, "flags"), hex(64, "value"));

const NAMED_32 = { type: "integer", bytes: 4, base: "hex" } as const;
const HEX_64 = { type: "integer", bytes: 8, base: "hex" } as const;

/** Fields of one type of record, by their paths below its root. */
type BodyFields = (record: RecordEvent) => Iterable<BodyField>;

/** What paths into a record start with, and what is in it. */
export interface RecordFields {
  readonly root: string;
  readonly fields: BodyFields;
}

/** Records of libxc whose fields depend on nothing but themselves, by type. */
export const LIBXC_FIELDS: ReadonlyMap<number, RecordFields> = new Map<number, RecordFields>([
  [LIBXC_RECORD.X86_PV_INFO, { root: "pv", fields: pvInfo }],
  [LIBXC_RECORD.X86_PV_P2M_FRAMES, { root: "p2m", fields: p2mFrames }],
  [LIBXC_RECORD.X86_TSC_INFO, { root: "tsc", fields: tscInfo }],
  [LIBXC_RECORD.HVM_PARAMS, { root: "params", fields: hvmParams }],
  [LIBXC_RECORD.X86_CPUID_POLICY, { root: "cpuid", fields: cpuidPolicy }],
  [LIBXC_RECORD.X86_MSR_POLICY, { root: "msr", fields: msrPolicy }],
  [LIBXC_RECORD.HVM_CONTEXT, { root: "hvm", fields: hvmContextFields }],
]);

/** Likewise of libxl. */
export const LIBXL_FIELDS: ReadonlyMap<number, RecordFields> = new Map<number, RecordFields>([
  [LIBXL_RECORD.EMULATOR_CONTEXT, { root: "emulator", fields: emulator }],
  [LIBXL_RECORD.CHECKPOINT_STATE, { root: "checkpoint", fields: checkpointState }],
]);

function pvInfo({ body }: RecordEvent): Iterable<BodyField> {
  return body.length < PV_INFO_BYTES ? [] : placed(PV_INFO, "", 0, "little");
}

function* p2mFrames(record: RecordEvent): Generator<BodyField> {
  const count = decodeP2mFrames(record).p2mPfns.length;
  const frames = hexList("p2m_pfns", { bits: 64, count });
  yield* placed(layout(decimal(32, "start_pfn end_pfn"), frames), "", 0, record.byteOrder);
}

function* tscInfo(record: RecordEvent): Generator<BodyField> {
  decodeTscInfo(record);
  yield* placed(TSC_INFO, "", 0, record.byteOrder);
}

function* hvmParams(record: RecordEvent): Generator<BodyField> {
  const names = new Names();
  const { byteOrder } = record;
  for (const [position, { index }] of decodeHvmParams(record).params.entries()) {
    const offset = HVM_PARAMS_HEAD_BYTES + position * HVM_PARAM_BYTES + 8;
    const path = names.next(hvmParamName(index) ?? `[${index}]`);
    yield { path, offset, scalar: HEX_64, byteOrder };
  }
}

function* cpuidPolicy(record: RecordEvent): Generator<BodyField> {
  const names = new Names();
  for (const [position, { leaf, subleaf }] of decodeCpuidPolicy(record).entries()) {
    const number = hexText(leaf) + (subleaf === NO_SUBLEAF ? "" : `:${subleaf}`);
    const path = `${names.next(`[${number}]`)}.`;
    yield* placed(CPUID_LEAF, path, position * CPUID_LEAF_BYTES, record.byteOrder);
  }
}

function* msrPolicy(record: RecordEvent): Generator<BodyField> {
  const names = new Names();
  for (const [position, { index }] of decodeMsrPolicy(record).entries()) {
    const path = `${names.next(`[${hexText(index)}]`)}.`;
    yield* placed(MSR_ENTRY, path, position * MSR_ENTRY_BYTES, record.byteOrder);
  }
}

function emulator({ body, byteOrder }: RecordEvent): Iterable<BodyField> {
  const id = { ...NAMED_32, names: EMULATOR_ID };
  const index = { ...NAMED_32, base: "decimal" } as const;
  return body.length < 8
    ? []
    : [
        { path: "emulator", offset: 0, scalar: id, byteOrder },
        { path: "index", offset: 4, scalar: index, byteOrder },
      ];
}

function checkpointState({ body, byteOrder }: RecordEvent): Iterable<BodyField> {
  const scalar = { ...NAMED_32, names: CHECKPOINT_CONTROL };
  return body.length < 4 ? [] : [{ path: "control", offset: 0, scalar, byteOrder }];
}

/** The fields of a structure that starts at `at` of a body, and is there as a whole. */
export function* placed(
  structure: Layout,
  prefix: string,
  at: number,
  byteOrder: ByteOrder,
): Generator<BodyField> {
  for (const { path, offset, scalar } of layoutFields(structure, structure.sizeBytes)) {
    yield { path: `${prefix}${path}`, offset: at + offset, scalar, byteOrder };
  }
}
