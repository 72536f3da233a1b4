/**
 * ELF core files as far as they are written here, all little-endian.
 *
 * @source System V ABI, "Object Files"; Linux's include/uapi/linux/elf.h, elfcore.h
 */

/** Whether addresses have 32 or 64 bits. */
export type ElfClass = 32 | 64;

/** Octets of the structures, by class. */
export const ELF_SIZES: Readonly<
  Record<ElfClass, { readonly header: number; readonly program: number; readonly section: number }>
> = {
  32: { header: 52, program: 32, section: 40 },
  64: { header: 64, program: 56, section: 64 },
};

/** A core file. */
export const ELF_TYPE_CORE = 4;

/** Machines. */
export const ELF_MACHINE = { I386: 3, X86_64: 62 } as const;

/** Kinds of program headers. */
export const PROGRAM_TYPE = { LOAD: 1, NOTE: 4 } as const;

/** Flags of a program header: readable, writable, executable. */
export const PROGRAM_FLAGS = { EXECUTE: 1, WRITE: 2, READ: 4 } as const;

/** Kinds of sections. */
export const SECTION_TYPE = { NULL: 0, PROGBITS: 1, STRTAB: 3, NOTE: 7 } as const;

/** In place of a number of program headers that is as large or larger: section 0 has it. */
export const PROGRAM_COUNT_ELSEWHERE = 0xffff;

/** Notes of core files, by owner. */
export const NOTE_OWNER = {
  CORE: "CORE",
  LINUX: "LINUX",
  VMCOREINFO: "VMCOREINFO",
  XEN: "Xen",
} as const;
export const NOTE_TYPE = { VMCOREINFO: 0, PRSTATUS: 1, FPREGS: 2, FXREGS: 0x46e6_2b7f } as const;

/** Names of general registers of NT_PRSTATUS in their order. @source Linux's user_regs_struct */
export const PRSTATUS_REGISTERS: Readonly<Record<ElfClass, readonly string[]>> = {
  64: (
    "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs rflags rsp ss " +
    "fs_base gs_base ds es fs gs"
  ).split(" "),
  32: "rbx rcx rdx rsi rdi rbp rax ds es fs gs orig_rax rip cs rflags rsp ss".split(" "),
};

/** Where in NT_PRSTATUS the process id and the registers are. @source Linux's elf_prstatus */
export const PRSTATUS: Readonly<
  Record<ElfClass, { readonly bytes: number; readonly pid: number; readonly registers: number }>
> = {
  32: { bytes: 144, pid: 24, registers: 72 },
  64: { bytes: 336, pid: 32, registers: 112 },
};
