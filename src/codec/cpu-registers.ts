import type { GuestWidth } from "../format/pv-state.ts";
import type { Decoded, DecodedValue } from "./layout.ts";

/** A vCPU's registers by the names of 64-bit mode, whatever guest it is of. */
export interface CpuRegisters {
  /** rax … r15, rip, rflags, cs … gs, fs_base, gs_base, cr0, cr2, cr3, cr4; 0 if not told. */
  readonly values: ReadonlyMap<string, bigint>;
  /** Whether it runs, or can run, 64-bit code. */
  readonly isLongMode: boolean;
}

const GENERAL = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags".split(
  " ",
);
const SEGMENTS = "cs ds es fs gs ss".split(" ");
const CONTROL = "cr0 cr2 cr3 cr4".split(" ");

const EFER_LMA = 1n << 10n;

/** Flag of a PV vCPU: it is in its kernel. @source arch-x86/xen.h VGCF_in_kernel */
const IN_KERNEL = 1n << 2n;

/** Registers of an HVM guest's vCPU, of which the entry CPU of HVM_CONTEXT was decoded. */
export function hvmCpuRegisters(cpu: Decoded): CpuRegisters {
  const values = new Map(
    [...GENERAL, ...CONTROL, "fs_base", "gs_base"].map((name) => [name, wordOf(cpu[name])]),
  );
  for (const name of SEGMENTS) {
    values.set(name, wordOf(cpu[`${name}_sel`]));
  }
  return { values, isLongMode: (wordOf(cpu.msr_efer) & EFER_LMA) !== 0n };
}

/** Registers of a PV guest's vCPU, of which X86_PV_VCPU_BASIC was decoded. */
export function pvCpuRegisters(vcpu: Decoded, width: GuestWidth): CpuRegisters {
  const user = isStructure(vcpu.user_regs) ? vcpu.user_regs : {};
  const own = (name: string) => (width === 8 ? name : name.replace(/^r/, "e"));
  const values = new Map(GENERAL.map((name) => [name, wordOf(user[own(name)])]));
  for (const name of SEGMENTS) {
    values.set(name, wordOf(user[name]));
  }
  const control = Array.isArray(vcpu.ctrlreg) ? vcpu.ctrlreg : [];
  for (const name of CONTROL) {
    values.set(name, wordOf(control[Number(name.slice(2))]));
  }
  const isInKernel = (wordOf(vcpu.flags) & IN_KERNEL) !== 0n;
  values.set("fs_base", wordOf(vcpu.fs_base));
  values.set("gs_base", wordOf(isInKernel ? vcpu.gs_base_kernel : vcpu.gs_base_user));
  return { values, isLongMode: width === 8 };
}

/** A register as {@link Decoded} has it; 0 where it is missing. */
export function wordOf(value: DecodedValue | undefined): bigint {
  return typeof value === "string" || typeof value === "number" ? BigInt(value) : 0n;
}

function isStructure(value: DecodedValue | undefined): value is Decoded {
  return typeof value === "object" && !Array.isArray(value);
}
