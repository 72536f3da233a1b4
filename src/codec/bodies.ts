import { type ErrorCode, type ErrorFacts, MigrationError } from "../base/errors.ts";
import {
  CPUID_LEAF_BYTES,
  HVM_PARAM_BYTES,
  HVM_PARAMS_HEAD_BYTES,
  MSR_ENTRY_BYTES,
  P2M_FRAMES_HEAD_BYTES,
  PFN_WORD_BYTES,
  PV_INFO_BYTES,
  TSC_INFO_BYTES,
  VCPU_HEAD_BYTES,
} from "../format/libxc.ts";
import { type ByteOrder, viewOf } from "./steps.ts";

/**
 * Most params, leaves or MSRs that are decoded.
 *
 * @inferred Xen takes fewer than a thousand of each; a record could hold millions.
 */
const ENTRIES_MAX = 65_536;

/** What a body is decoded from: a record event, or the parts of one. */
export interface BodySource {
  readonly body: Uint8Array;
  readonly byteOrder: ByteOrder;
  /** For errors. */
  readonly layer?: string;
  readonly name?: string | undefined;
  readonly offset?: number;
}

/** X86_PV_INFO. */
export interface PvInfo {
  /** Octets of a guest word: 4 or 8 where the writer obeys. */
  readonly guestWidth: number;
  /** 3 or 4 where the writer obeys. */
  readonly ptLevels: number;
}

/** X86_PV_P2M_FRAMES: the frames of the guest's p2m that cover `startPfn` to `endPfn`. */
export interface P2mFrames {
  readonly startPfn: number;
  readonly endPfn: number;
  readonly p2mPfns: BigUint64Array;
}

/** What the four X86_PV_VCPU_* records start with; `context` is a view of the body. */
export interface VcpuContext {
  readonly vcpuId: number;
  readonly reserved: number;
  readonly context: Uint8Array;
}

/** X86_TSC_INFO. */
export interface TscInfo {
  readonly mode: number;
  readonly khz: number;
  readonly nsec: bigint;
  readonly incarnation: number;
  readonly reserved: number;
}

/** HVM_PARAMS. */
export interface HvmParams {
  readonly reserved: number;
  readonly params: readonly { readonly index: bigint; readonly value: bigint }[];
}

/** One entry of X86_CPUID_POLICY. @source xen/include/public/arch-x86/xen.h xen_cpuid_leaf */
export interface CpuidLeaf {
  readonly leaf: number;
  readonly subleaf: number;
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

/** One entry of X86_MSR_POLICY. @source xen/include/public/arch-x86/xen.h xen_msr_entry */
export interface MsrEntry {
  readonly index: number;
  readonly flags: number;
  readonly value: bigint;
}

/** Decodes X86_PV_INFO. @throws MigrationError RECORD_LENGTH; a longer body is taken, as by Xen. */
export function decodePvInfo(source: BodySource): PvInfo {
  const view = atLeast(source, PV_INFO_BYTES);
  return { guestWidth: view.getUint8(0), ptLevels: view.getUint8(1) };
}

/** Encodes X86_PV_INFO. */
export function encodePvInfo(info: PvInfo): Uint8Array {
  const body = new Uint8Array(PV_INFO_BYTES);
  body[0] = info.guestWidth;
  body[1] = info.ptLevels;
  return body;
}

/** Decodes X86_PV_P2M_FRAMES. @throws MigrationError RECORD_LENGTH, RECORD_VALUE */
export function decodeP2mFrames(source: BodySource): P2mFrames {
  const isLittle = source.byteOrder === "little";
  const view = atLeast(source, P2M_FRAMES_HEAD_BYTES);
  const startPfn = view.getUint32(0, isLittle);
  const endPfn = view.getUint32(4, isLittle);
  if (startPfn > endPfn) {
    throw failure(source, "RECORD_VALUE", { startPfn, endPfn });
  }
  const p2mPfns = decodeWords(source, P2M_FRAMES_HEAD_BYTES);
  return { startPfn, endPfn, p2mPfns };
}

/** Encodes X86_PV_P2M_FRAMES. */
export function encodeP2mFrames(frames: P2mFrames, byteOrder: ByteOrder = "little"): Uint8Array {
  const isLittle = byteOrder === "little";
  const { p2mPfns } = frames;
  const body = new Uint8Array(P2M_FRAMES_HEAD_BYTES + p2mPfns.length * PFN_WORD_BYTES);
  const view = viewOf(body);
  view.setUint32(0, frames.startPfn, isLittle);
  view.setUint32(4, frames.endPfn, isLittle);
  for (const [index, pfn] of p2mPfns.entries()) {
    view.setBigUint64(P2M_FRAMES_HEAD_BYTES + index * PFN_WORD_BYTES, pfn, isLittle);
  }
  return body;
}

/** Decodes the head of the four X86_PV_VCPU_* records. @throws MigrationError RECORD_LENGTH */
export function decodeVcpuContext(source: BodySource): VcpuContext {
  const isLittle = source.byteOrder === "little";
  const view = atLeast(source, VCPU_HEAD_BYTES);
  return {
    vcpuId: view.getUint32(0, isLittle),
    reserved: view.getUint32(4, isLittle),
    context: source.body.subarray(VCPU_HEAD_BYTES),
  };
}

/** Encodes one of the four X86_PV_VCPU_* records. */
export function encodeVcpuContext(vcpu: VcpuContext, byteOrder: ByteOrder = "little"): Uint8Array {
  const isLittle = byteOrder === "little";
  const body = new Uint8Array(VCPU_HEAD_BYTES + vcpu.context.length);
  viewOf(body).setUint32(0, vcpu.vcpuId, isLittle);
  viewOf(body).setUint32(4, vcpu.reserved, isLittle);
  body.set(vcpu.context, VCPU_HEAD_BYTES);
  return body;
}

/** Decodes X86_TSC_INFO. @throws MigrationError RECORD_LENGTH */
export function decodeTscInfo(source: BodySource): TscInfo {
  const isLittle = source.byteOrder === "little";
  if (source.body.length !== TSC_INFO_BYTES) {
    throw lengthFailure(source, { bodyBytesExpected: TSC_INFO_BYTES });
  }
  const view = viewOf(source.body);
  return {
    mode: view.getUint32(0, isLittle),
    khz: view.getUint32(4, isLittle),
    nsec: view.getBigUint64(8, isLittle),
    incarnation: view.getUint32(16, isLittle),
    reserved: view.getUint32(20, isLittle),
  };
}

/** Encodes X86_TSC_INFO. */
export function encodeTscInfo(info: TscInfo, byteOrder: ByteOrder = "little"): Uint8Array {
  const isLittle = byteOrder === "little";
  const body = new Uint8Array(TSC_INFO_BYTES);
  const view = viewOf(body);
  view.setUint32(0, info.mode, isLittle);
  view.setUint32(4, info.khz, isLittle);
  view.setBigUint64(8, info.nsec, isLittle);
  view.setUint32(16, info.incarnation, isLittle);
  view.setUint32(20, info.reserved, isLittle);
  return body;
}

/** Decodes HVM_PARAMS. @throws MigrationError RECORD_LENGTH */
export function decodeHvmParams(source: BodySource): HvmParams {
  const isLittle = source.byteOrder === "little";
  const view = atLeast(source, HVM_PARAMS_HEAD_BYTES);
  const paramCount = view.getUint32(0, isLittle);
  const expectedBytes = HVM_PARAMS_HEAD_BYTES + paramCount * HVM_PARAM_BYTES;
  if (source.body.length !== expectedBytes || paramCount > ENTRIES_MAX) {
    throw lengthFailure(source, { paramCount, entriesMax: ENTRIES_MAX });
  }
  const params = Array.from({ length: paramCount }, (_, position) => {
    const at = HVM_PARAMS_HEAD_BYTES + position * HVM_PARAM_BYTES;
    return { index: view.getBigUint64(at, isLittle), value: view.getBigUint64(at + 8, isLittle) };
  });
  return { reserved: view.getUint32(4, isLittle), params };
}

/** Encodes HVM_PARAMS. */
export function encodeHvmParams(params: HvmParams, byteOrder: ByteOrder = "little"): Uint8Array {
  const isLittle = byteOrder === "little";
  const body = new Uint8Array(HVM_PARAMS_HEAD_BYTES + params.params.length * HVM_PARAM_BYTES);
  const view = viewOf(body);
  view.setUint32(0, params.params.length, isLittle);
  view.setUint32(4, params.reserved, isLittle);
  for (const [position, { index, value }] of params.params.entries()) {
    const at = HVM_PARAMS_HEAD_BYTES + position * HVM_PARAM_BYTES;
    view.setBigUint64(at, index, isLittle);
    view.setBigUint64(at + 8, value, isLittle);
  }
  return body;
}

/** Decodes X86_CPUID_POLICY. @throws MigrationError RECORD_LENGTH also for an empty one */
export function decodeCpuidPolicy(source: BodySource): readonly CpuidLeaf[] {
  const isLittle = source.byteOrder === "little";
  const view = atLeast(source, CPUID_LEAF_BYTES);
  const leafCount = entryCount(source, CPUID_LEAF_BYTES);
  return Array.from({ length: leafCount }, (_, position) => {
    const field = (index: number) =>
      view.getUint32(position * CPUID_LEAF_BYTES + index * 4, isLittle);
    return {
      leaf: field(0),
      subleaf: field(1),
      eax: field(2),
      ebx: field(3),
      ecx: field(4),
      edx: field(5),
    };
  });
}

/** Encodes X86_CPUID_POLICY. */
export function encodeCpuidPolicy(
  leaves: readonly CpuidLeaf[],
  byteOrder: ByteOrder = "little",
): Uint8Array {
  const body = new Uint8Array(leaves.length * CPUID_LEAF_BYTES);
  const view = viewOf(body);
  for (const [position, leaf] of leaves.entries()) {
    const fields = [leaf.leaf, leaf.subleaf, leaf.eax, leaf.ebx, leaf.ecx, leaf.edx];
    for (const [index, value] of fields.entries()) {
      view.setUint32(position * CPUID_LEAF_BYTES + index * 4, value, byteOrder === "little");
    }
  }
  return body;
}

/** Decodes X86_MSR_POLICY. @throws MigrationError RECORD_LENGTH also for an empty one */
export function decodeMsrPolicy(source: BodySource): readonly MsrEntry[] {
  const isLittle = source.byteOrder === "little";
  const view = atLeast(source, MSR_ENTRY_BYTES);
  const msrCount = entryCount(source, MSR_ENTRY_BYTES);
  return Array.from({ length: msrCount }, (_, position) => {
    const at = position * MSR_ENTRY_BYTES;
    return {
      index: view.getUint32(at, isLittle),
      flags: view.getUint32(at + 4, isLittle),
      value: view.getBigUint64(at + 8, isLittle),
    };
  });
}

/** Encodes X86_MSR_POLICY. */
export function encodeMsrPolicy(
  msrs: readonly MsrEntry[],
  byteOrder: ByteOrder = "little",
): Uint8Array {
  const isLittle = byteOrder === "little";
  const body = new Uint8Array(msrs.length * MSR_ENTRY_BYTES);
  const view = viewOf(body);
  for (const [position, msr] of msrs.entries()) {
    const at = position * MSR_ENTRY_BYTES;
    view.setUint32(at, msr.index, isLittle);
    view.setUint32(at + 4, msr.flags, isLittle);
    view.setBigUint64(at + 8, msr.value, isLittle);
  }
  return body;
}

/** Decodes CHECKPOINT_DIRTY_PFN_LIST, which COLO's receiver sends back. @throws RECORD_LENGTH */
export function decodeDirtyPfnList(source: BodySource): BigUint64Array {
  return decodeWords(source, 0);
}

/** Encodes CHECKPOINT_DIRTY_PFN_LIST. */
export function encodeDirtyPfnList(
  pfns: BigUint64Array,
  byteOrder: ByteOrder = "little",
): Uint8Array {
  const body = new Uint8Array(pfns.length * PFN_WORD_BYTES);
  for (const [index, pfn] of pfns.entries()) {
    viewOf(body).setBigUint64(index * PFN_WORD_BYTES, pfn, byteOrder === "little");
  }
  return body;
}

/** A view of a body that holds its fixed part. @throws MigrationError RECORD_LENGTH */
export function atLeast(source: BodySource, bodyBytesMin: number): DataView {
  if (source.body.length < bodyBytesMin) {
    throw lengthFailure(source, { bodyBytesMin });
  }
  return viewOf(source.body);
}

/** How many entries fill the body. @throws MigrationError RECORD_LENGTH if no whole number */
function entryCount(source: BodySource, entryBytes: number): number {
  const count = source.body.length / entryBytes;
  if (!Number.isInteger(count) || count > ENTRIES_MAX) {
    throw lengthFailure(source, { entryBytes, entriesMax: ENTRIES_MAX });
  }
  return count;
}

/** A copy of the 64-bit words behind the fixed part, in this machine's byte order. */
function decodeWords(source: BodySource, headBytes: number): BigUint64Array {
  const wordBytes = source.body.length - headBytes;
  if (wordBytes % PFN_WORD_BYTES !== 0) {
    throw lengthFailure(source, { headBytes, entryBytes: PFN_WORD_BYTES });
  }
  const view = viewOf(source.body);
  const words = new BigUint64Array(wordBytes / PFN_WORD_BYTES);
  for (let index = 0; index < words.length; index++) {
    const at = headBytes + index * PFN_WORD_BYTES;
    words[index] = view.getBigUint64(at, source.byteOrder === "little");
  }
  return words;
}

function lengthFailure(source: BodySource, facts: ErrorFacts): MigrationError {
  return failure(source, "RECORD_LENGTH", { bodyBytes: source.body.length, ...facts });
}

/** An error about the record that `source` is the body of. */
export function failure(source: BodySource, code: ErrorCode, facts: ErrorFacts): MigrationError {
  const { offset, layer, name } = source;
  return new MigrationError(code, { offset, layer, record: name, ...facts });
}
