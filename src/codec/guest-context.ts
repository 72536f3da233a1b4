import { assert } from "../base/assert.ts";
import { LITTLE_ENDIAN } from "../base/units.ts";
import type { Field, Layout } from "../format/layout.ts";
import { PV_VCPU_BASIC } from "../format/pv-state.ts";
import type { CpuRegisters } from "./cpu-registers.ts";
import { viewOf } from "./steps.ts";

/** Flags of a context: the floating point registers are there, and the vCPU is not down. */
const CONTEXT_FLAGS = (1n << 0n) | (1n << 5n);

const CONTEXT = PV_VCPU_BASIC[8];
const PRIVILEGE_MASK = 3n;

/**
 * The context that Xen tells of an HVM guest's vCPU: a PV guest's, with most of it zero.
 *
 * @param fxsave the 512 octets that FXSAVE writes.
 * @param shadowGs what SWAPGS would load.
 * @source xen/arch/x86/domctl.c arch_get_info_guest
 */
export function hvmGuestContext(
  { values }: CpuRegisters,
  { fxsave, shadowGs }: { readonly fxsave: Uint8Array; readonly shadowGs: bigint },
): Uint8Array {
  const context = new Uint8Array(CONTEXT.sizeBytes);
  context.set(fxsave, fieldOf(CONTEXT, "fpu").offset);
  const put = (offset: number, value: bigint) =>
    viewOf(context).setBigUint64(offset, value, LITTLE_ENDIAN);
  put(fieldOf(CONTEXT, "flags").offset, CONTEXT_FLAGS);
  const user = fieldOf(CONTEXT, "user_regs");
  assert(user.kind.type === "struct", "the registers are a structure");
  for (const { name, offset, kind } of user.kind.layout.fields) {
    const value = values.get(name);
    if (value !== undefined && kind.type === "integer") {
      const bytes = new Uint8Array(8);
      viewOf(bytes).setBigUint64(0, value, LITTLE_ENDIAN);
      context.set(bytes.subarray(0, kind.bytes), user.offset + offset);
    }
  }
  const control = fieldOf(CONTEXT, "ctrlreg").offset;
  for (const number of [0, 2, 3, 4]) {
    put(control + number * 8, values.get(`cr${number}`) ?? 0n);
  }
  const isKernel = ((values.get("cs") ?? 0n) & PRIVILEGE_MASK) === 0n;
  const gsBase = values.get("gs_base") ?? 0n;
  put(fieldOf(CONTEXT, "fs_base").offset, values.get("fs_base") ?? 0n);
  put(fieldOf(CONTEXT, "gs_base_kernel").offset, isKernel ? gsBase : shadowGs);
  put(fieldOf(CONTEXT, "gs_base_user").offset, isKernel ? shadowGs : gsBase);
  return context;
}

function fieldOf({ fields }: Layout, name: string): Field {
  const field = fields.find((one) => one.name === name);
  assert(field !== undefined, `the context has ${name}`);
  return field;
}
