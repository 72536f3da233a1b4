import { LITTLE_ENDIAN } from "../../base/units.ts";
import { encodeNote } from "../../codec/elf.ts";
import { viewOf } from "../../codec/steps.ts";
import {
  type ElfClass,
  NOTE_OWNER,
  NOTE_TYPE,
  PRSTATUS,
  PRSTATUS_REGISTERS,
} from "../../format/elf.ts";
import type { ExportedGuest, ExportedVcpu } from "./guest.ts";

/** The register that says which system call is under way: none. */
const ORIG_RAX_NONE = 2n ** 64n - 1n;

/**
 * The notes of a core: registers of each vCPU as a thread with the number of the vCPU and one, and
 * what a Linux kernel says of itself.
 */
export function coreNotes(
  guest: ExportedGuest,
  elfClass: ElfClass,
  vmcoreinfo: Uint8Array | undefined,
): Uint8Array {
  const notes = guest.vcpus.flatMap((vcpu) => vcpuNotes(vcpu, elfClass));
  if (vmcoreinfo !== undefined) {
    notes.push(encodeNote(NOTE_OWNER.VMCOREINFO, NOTE_TYPE.VMCOREINFO, vmcoreinfo));
  }
  return new Uint8Array(Buffer.concat(notes));
}

/** @source Linux's fs/binfmt_elf.c; arch/x86/include/asm/user_{32,64}.h */
function vcpuNotes(vcpu: ExportedVcpu, elfClass: ElfClass): Uint8Array[] {
  const layout = PRSTATUS[elfClass];
  const status = new Uint8Array(layout.bytes);
  const view = viewOf(status);
  view.setUint32(layout.pid, vcpu.id + 1, LITTLE_ENDIAN);
  const registerBytes = elfClass / 8;
  for (const [index, name] of PRSTATUS_REGISTERS[elfClass].entries()) {
    const value = name === "orig_rax" ? ORIG_RAX_NONE : (vcpu.registers.values.get(name) ?? 0n);
    const at = layout.registers + index * registerBytes;
    if (elfClass === 64) {
      view.setBigUint64(at, value, LITTLE_ENDIAN);
    } else {
      view.setUint32(at, Number(BigInt.asUintN(32, value)), LITTLE_ENDIAN);
    }
  }
  const [owner, type] =
    elfClass === 64
      ? ([NOTE_OWNER.CORE, NOTE_TYPE.FPREGS] as const)
      : ([NOTE_OWNER.LINUX, NOTE_TYPE.FXREGS] as const);
  return [
    encodeNote(NOTE_OWNER.CORE, NOTE_TYPE.PRSTATUS, status),
    encodeNote(owner, type, vcpu.fxsave),
  ];
}
