import type { RecordEvent } from "../codec/events.ts";
import type { Decoded, DecodedValue } from "../codec/layout.ts";
import { decodePvVcpuBasic } from "../codec/pv-state.ts";

/** What of a PV guest's vCPU names frames: pfns, which restore replaces. */
export interface PvVcpu {
  /** Where its record starts. */
  readonly offset: number;
  /** The frame of the start info, in the register that vCPU 0 was suspended with. */
  readonly startInfo: bigint;
  readonly gdtEntries: bigint;
  readonly gdtFrames: readonly bigint[];
  readonly cr1: bigint;
  readonly cr3: bigint;
}

/** Decodes X86_PV_VCPU_BASIC. @throws MigrationError RECORD_LENGTH */
export function decodePvVcpu(record: RecordEvent, width: 4 | 8): PvVcpu {
  const { user_regs: registers, gdt_ents, gdt_frames, ctrlreg } = decodePvVcpuBasic(record, width);
  const control = listOf(ctrlreg).map(numberOf);
  return {
    offset: record.offset,
    startInfo: numberOf(memberOf(registers, width === 8 ? "rdx" : "edx")),
    gdtEntries: numberOf(gdt_ents),
    gdtFrames: listOf(gdt_frames).map(numberOf),
    cr1: control[1] ?? 0n,
    cr3: control[3] ?? 0n,
  };
}

/**
 * The frame that CR3 names.
 *
 * @source xg_sr_common_x86_pv.c cr3_to_mfn: 32-bit guests keep bits 32 to 43 in the low twelve.
 */
export function frameOfCr3({ cr3 }: PvVcpu, width: 4 | 8): bigint {
  return width === 8 ? cr3 >> 12n : BigInt.asUintN(32, (cr3 >> 12n) | (cr3 << 20n));
}

function listOf(value: DecodedValue | undefined): readonly DecodedValue[] {
  return Array.isArray(value) ? value : [];
}

function memberOf(value: DecodedValue | undefined, name: string): DecodedValue | undefined {
  return typeof value === "object" && !Array.isArray(value) ? (value as Decoded)[name] : undefined;
}

function numberOf(value: DecodedValue | undefined): bigint {
  return typeof value === "string" || typeof value === "number" ? BigInt(value) : 0n;
}
