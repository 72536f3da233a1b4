import { MigrationError } from "../base/errors.ts";
import { LITTLE_ENDIAN } from "../base/units.ts";
import {
  HVM_PARAM_BYTES,
  HVM_PARAMS_HEAD_BYTES,
  LIBXC_RECORD,
  TSC_INFO_BYTES,
} from "../format/libxc.ts";
import type { GuestConfig, StateRecord } from "./types.ts";
import { sharePages, type VcpuState, workloadShape } from "./workload.ts";

export type { VcpuState } from "./workload.ts";

/**
 * State records of an embedded guest: the three libxc records that end an HVM image.
 *
 * HVM_CONTEXT holds Xen's own HVM save format: descriptors (typecode, instance, length) of a
 * HEADER, one CPU a vCPU and END. The six words of a vCPU travel in rax, rbx, rcx, rdx, rsi and
 * rdi; every other field has the value it has in a CPU that was just reset.
 *
 * @source xen/include/public/hvm/save.h, xen/include/public/arch-x86/hvm/save.h
 */

const { X86_TSC_INFO, HVM_CONTEXT, HVM_PARAMS } = LIBXC_RECORD;

/** @source xen/include/public/hvm/params.h */
const HVM_PARAM_X87_FIP_WIDTH = 36;

/** That, and where Xen's own pages are: STORE_PFN, IOREQ_PFN, BUFIOREQ_PFN. */
const KNOWN_PARAMS: ReadonlySet<bigint> = new Set([BigInt(HVM_PARAM_X87_FIP_WIDTH), 1n, 5n, 6n]);

const DESCRIPTOR_BYTES = 8;
const TYPECODE = { END: 0, HEADER: 1, CPU: 2 } as const;
const HEADER_BYTES = 24;
const HVM_FILE_MAGIC = 0x54381286;
const HVM_FILE_VERSION = 1;
/** What Xen writes since it no longer numbers its changesets. */
const CHANGESET_NONE = 2n ** 64n - 1n;

/** struct hvm_hw_cpu */
const CPU_BYTES = 1032;

/** Where each word of a vCPU is in struct hvm_hw_cpu. */
const STATE_OFFSETS = {
  stores: 512, // rax
  reads: 520, // rbx
  faults: 528, // rcx
  prng: 536, // rdx
  cursor: 552, // rsi
  versions: 560, // rdi
} as const satisfies Record<keyof VcpuState, number>;
const RIP_OFFSET = 640;

/** Fields that are not zero in a CPU after reset. @source Intel SDM 3A, table 10-1 */
const RESET_U64 = [
  [648, 0x2n], // rflags: the bit that is always set
  [656, 0x60000010n], // cr0: CD, NW, ET
  [720, 0xffff0ff0n], // dr6
  [728, 0x400n], // dr7
  [808, 0xffff0000n], // cs_base
] as const;
const RESET_U32 = [
  [736, 0xf000], // cs_sel
  ...[768, 772, 776, 780, 784, 788, 792, 796, 800, 804].map((offset) => [offset, 0xffff] as const),
  [888, 0x9b], // cs_arbytes: present, code, readable, accessed
  ...[892, 896, 900, 904, 908].map((offset) => [offset, 0x93] as const), // data, writable, accessed
  [912, 0x8b], // tr_arbytes: busy 32-bit TSS
  [916, 0x82], // ldtr_arbytes: LDT
] as const;

/**
 * Encodes the vCPUs, number 0 first, as X86_TSC_INFO, HVM_PARAMS and HVM_CONTEXT.
 *
 * HVM_PARAMS has one harmless entry, because one without any is an erratum of old senders.
 *
 * @source libxc-migration-stream.pandoc, "X86_TSC_INFO", "HVM_PARAMS", "HVM_CONTEXT"
 */
export function encodeHvmState(vcpus: readonly VcpuState[]): readonly StateRecord[] {
  return [
    { type: X86_TSC_INFO, body: new Uint8Array(TSC_INFO_BYTES) },
    { type: HVM_PARAMS, body: encodeParams() },
    { type: HVM_CONTEXT, body: encodeContext(vcpus) },
  ];
}

/**
 * Decodes what {@link encodeHvmState} wrote, for a guest of `vcpuCount` vCPUs.
 *
 * The records may come in any order but HVM_PARAMS before HVM_CONTEXT, and HVM_PARAMS twice, as in
 * converted legacy images; of its params those that say where Xen's own pages are mean nothing
 * here. Reserved fields, the TSC's
 * values and the header's notes about the saving machine are ignored.
 *
 * @throws MigrationError GUEST_STATE something is unknown, missing, short, long, repeated, out of
 *   order or of another number of vCPUs; `where` has the record type, the offset in its body and
 *   the reason.
 */
export function decodeHvmState(
  records: readonly StateRecord[],
  vcpuCount: number,
): readonly VcpuState[] {
  const seen = new Set<number>();
  let vcpus: readonly VcpuState[] | undefined;
  for (const { type, body } of records) {
    if (seen.has(type) && type !== HVM_PARAMS) {
      throw refused(type, 0, "the record is repeated");
    }
    seen.add(type);
    if (type === X86_TSC_INFO) {
      checkBytes(type, body, TSC_INFO_BYTES);
    } else if (type === HVM_PARAMS) {
      checkParams(body);
    } else if (type === HVM_CONTEXT) {
      if (!seen.has(HVM_PARAMS)) {
        throw refused(type, 0, "HVM_PARAMS must come before HVM_CONTEXT");
      }
      vcpus = decodeContext(body, vcpuCount);
    } else {
      throw refused(type, 0, "the embedded guest has no such record");
    }
  }
  if (vcpus === undefined || !seen.has(X86_TSC_INFO)) {
    const missing = vcpus === undefined ? HVM_CONTEXT : X86_TSC_INFO;
    throw refused(missing, 0, "the record is missing");
  }
  return vcpus;
}

/**
 * Decodes the records for the guest of `config`, whose vCPUs must be able to go on from there.
 *
 * @throws as {@link decodeHvmState}; GUEST_STATE also for a cursor outside a vCPU's pages
 */
export function decodeGuestState(
  records: readonly StateRecord[],
  config: GuestConfig,
): readonly VcpuState[] {
  const shape = workloadShape(config);
  const vcpus = decodeHvmState(records, config.vcpus);
  for (const [vcpu, { cursor }] of vcpus.entries()) {
    if (cursor >= BigInt(Math.max(1, sharePages(shape, vcpu)))) {
      const offset = cpuOffset(vcpu) + STATE_OFFSETS.cursor;
      throw refused(HVM_CONTEXT, offset, "a vCPU's cursor is outside its pages");
    }
  }
  return vcpus;
}

function encodeParams(): Uint8Array {
  const body = new Uint8Array(HVM_PARAMS_HEAD_BYTES + HVM_PARAM_BYTES);
  const view = viewOf(body);
  view.setUint32(0, 1, LITTLE_ENDIAN);
  view.setBigUint64(8, BigInt(HVM_PARAM_X87_FIP_WIDTH), LITTLE_ENDIAN);
  view.setBigUint64(16, 8n, LITTLE_ENDIAN);
  return body;
}

function checkParams(body: Uint8Array): void {
  if (body.length < HVM_PARAMS_HEAD_BYTES) {
    throw refused(HVM_PARAMS, body.length, "the record is short");
  }
  const count = viewOf(body).getUint32(0, LITTLE_ENDIAN);
  checkBytes(HVM_PARAMS, body, HVM_PARAMS_HEAD_BYTES + count * HVM_PARAM_BYTES);
  for (let offset = HVM_PARAMS_HEAD_BYTES; offset < body.length; offset += HVM_PARAM_BYTES) {
    if (!KNOWN_PARAMS.has(viewOf(body).getBigUint64(offset, LITTLE_ENDIAN))) {
      throw refused(HVM_PARAMS, offset, "the embedded guest has no such parameter");
    }
  }
}

function encodeContext(vcpus: readonly VcpuState[]): Uint8Array {
  const body = new Uint8Array(cpuOffset(vcpus.length));
  const view = viewOf(body);
  writeDescriptor(view, 0, { typecode: TYPECODE.HEADER, instance: 0, lengthBytes: HEADER_BYTES });
  view.setUint32(8, HVM_FILE_MAGIC, LITTLE_ENDIAN);
  view.setUint32(12, HVM_FILE_VERSION, LITTLE_ENDIAN);
  view.setBigUint64(16, CHANGESET_NONE, LITTLE_ENDIAN);
  for (const [instance, vcpu] of vcpus.entries()) {
    const offset = cpuOffset(instance);
    const descriptor = { typecode: TYPECODE.CPU, instance, lengthBytes: CPU_BYTES };
    writeDescriptor(view, offset - DESCRIPTOR_BYTES, descriptor);
    body.set(encodeCpu(vcpu), offset);
  }
  return body;
}

/** Where CPU entry `instance` starts in the context, after its descriptor. */
function cpuOffset(instance: number): number {
  return (
    DESCRIPTOR_BYTES + HEADER_BYTES + instance * (DESCRIPTOR_BYTES + CPU_BYTES) + DESCRIPTOR_BYTES
  );
}

function encodeCpu(vcpu: VcpuState): Uint8Array {
  const cpu = new Uint8Array(CPU_BYTES);
  const view = viewOf(cpu);
  for (const [offset, value] of RESET_U64) {
    view.setBigUint64(offset, value, LITTLE_ENDIAN);
  }
  for (const [offset, value] of RESET_U32) {
    view.setUint32(offset, value, LITTLE_ENDIAN);
  }
  for (const name of Object.keys(STATE_OFFSETS) as (keyof VcpuState)[]) {
    view.setBigUint64(STATE_OFFSETS[name], vcpu[name], LITTLE_ENDIAN);
  }
  view.setBigUint64(RIP_OFFSET, vcpu.stores, LITTLE_ENDIAN);
  return cpu;
}

function decodeContext(body: Uint8Array, vcpuCount: number): readonly VcpuState[] {
  const vcpus: VcpuState[] = [];
  const view = viewOf(body);
  checkDescriptor(body, 0, { typecode: TYPECODE.HEADER, instance: 0, lengthBytes: HEADER_BYTES });
  if (
    view.getUint32(8, LITTLE_ENDIAN) !== HVM_FILE_MAGIC ||
    view.getUint32(12, LITTLE_ENDIAN) !== HVM_FILE_VERSION
  ) {
    throw refused(HVM_CONTEXT, 8, "the HVM context has another magic number or version");
  }
  for (let instance = 0; instance < vcpuCount; instance += 1) {
    const offset = cpuOffset(instance);
    const expected = { typecode: TYPECODE.CPU, instance, lengthBytes: CPU_BYTES };
    checkDescriptor(body, offset - DESCRIPTOR_BYTES, expected);
    vcpus.push(decodeCpu(body.subarray(offset, offset + CPU_BYTES), offset));
  }
  const endOffset = cpuOffset(vcpuCount) - DESCRIPTOR_BYTES;
  checkDescriptor(body, endOffset, { typecode: TYPECODE.END, instance: 0, lengthBytes: 0 });
  checkBytes(HVM_CONTEXT, body, endOffset + DESCRIPTOR_BYTES);
  return vcpus;
}

/** Reads one vCPU; what an embedded vCPU does not have must be as after reset. */
function decodeCpu(cpu: Uint8Array, offset: number): VcpuState {
  const view = viewOf(cpu);
  const word = (name: keyof VcpuState) => view.getBigUint64(STATE_OFFSETS[name], LITTLE_ENDIAN);
  const vcpu: VcpuState = {
    stores: word("stores"),
    reads: word("reads"),
    faults: word("faults"),
    prng: word("prng"),
    cursor: word("cursor"),
    versions: word("versions"),
  };
  const expected = encodeCpu(vcpu);
  if (Buffer.compare(expected, cpu) !== 0) {
    const differs = cpu.findIndex((byte, index) => byte !== expected[index]);
    throw refused(
      HVM_CONTEXT,
      offset + differs,
      "a register has a value no embedded vCPU can have",
    );
  }
  return vcpu;
}

interface Descriptor {
  readonly typecode: number;
  readonly instance: number;
  readonly lengthBytes: number;
}

function writeDescriptor(view: DataView, offset: number, descriptor: Descriptor): void {
  view.setUint16(offset, descriptor.typecode, LITTLE_ENDIAN);
  view.setUint16(offset + 2, descriptor.instance, LITTLE_ENDIAN);
  view.setUint32(offset + 4, descriptor.lengthBytes, LITTLE_ENDIAN);
}

function checkDescriptor(body: Uint8Array, offset: number, expected: Descriptor): void {
  const endOffset = offset + DESCRIPTOR_BYTES + expected.lengthBytes;
  if (body.length < offset + DESCRIPTOR_BYTES) {
    throw refused(HVM_CONTEXT, body.length, "the HVM context is short");
  }
  const view = viewOf(body);
  const typecode = view.getUint16(offset, LITTLE_ENDIAN);
  const instance = view.getUint16(offset + 2, LITTLE_ENDIAN);
  const lengthBytes = view.getUint32(offset + 4, LITTLE_ENDIAN);
  if (typecode !== expected.typecode || instance !== expected.instance) {
    const found = `type ${typecode} instance ${instance}`;
    const wanted = `type ${expected.typecode} instance ${expected.instance}`;
    throw refused(HVM_CONTEXT, offset, `an HVM save entry is ${found} instead of ${wanted}`);
  }
  if (lengthBytes !== expected.lengthBytes) {
    throw refused(HVM_CONTEXT, offset + 4, "an HVM save entry has another length");
  }
  if (body.length < endOffset) {
    throw refused(HVM_CONTEXT, body.length, "the HVM context is short");
  }
}

function checkBytes(type: number, body: Uint8Array, expectedBytes: number): void {
  if (body.length !== expectedBytes) {
    const reason = body.length < expectedBytes ? "the record is short" : "the record is too long";
    throw refused(type, Math.min(body.length, expectedBytes), reason);
  }
}

function refused(recordType: number, offset: number, reason: string): MigrationError {
  return new MigrationError("GUEST_STATE", { recordType, offset, reason });
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
