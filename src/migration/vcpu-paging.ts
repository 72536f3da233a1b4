import { PAGE_SHIFT } from "../base/units.ts";
import type { Decoded, DecodedValue } from "../codec/layout.ts";
import { ENTRY_ADDRESS_MASK, type PagingMode, pagingModeOf } from "../format/paging.ts";

/** CR3 of a guest without long mode names 32 octets in PAE mode, else a page. */
const PAE_TABLE_MASK = 0xffff_ffe0n;
const TABLE_32_MASK = 0xffff_f000n;

/** A vCPU's page tables. */
interface Vcpu {
  readonly cr3: bigint;
  readonly mode: PagingMode;
}

/** What a stream says of its vCPUs' page tables. */
export class VcpuPaging {
  readonly #vcpus = new Map<number, Vcpu>();
  #pvLevels: number | undefined;

  /** It is a PV guest, with so many levels of page tables. */
  setPvLevels(levels: number): void {
    this.#pvLevels = levels;
  }

  /** Takes a vCPU of an HVM guest, as an entry of HVM_CONTEXT is decoded. */
  addHvm(vcpu: number, registers: Decoded): void {
    const { cr0, cr3, cr4, msr_efer: efer } = registers;
    const mode = pagingModeOf({ cr0: word(cr0), cr4: word(cr4), efer: word(efer) });
    this.#vcpus.set(vcpu, { cr3: word(cr3), mode });
  }

  /** Takes a vCPU of a PV guest, as X86_PV_VCPU_BASIC is decoded. */
  addPv({ vcpu, ctrlreg }: Decoded): void {
    if (typeof vcpu === "number" && Array.isArray(ctrlreg)) {
      this.#vcpus.set(vcpu, { cr3: word(ctrlreg[3]), mode: this.#pvMode() });
    }
  }

  /** CR3 of a vCPU; `undefined` if the stream had none of that number. */
  cr3Of(vcpu: number): bigint | undefined {
    return this.#vcpus.get(vcpu)?.cr3;
  }

  /** The mode of the vCPU with that CR3, else that of the first one there is. */
  modeOf(cr3: bigint): PagingMode | undefined {
    const vcpus = [...this.#vcpus.values()];
    return (vcpus.find((vcpu) => vcpu.cr3 === cr3) ?? vcpus[0])?.mode;
  }

  /**
   * Where the top table is that CR3 names.
   *
   * @source xen/include/public/arch-x86/xen-x86_32.h xen_cr3_to_pfn: a 32-bit PV guest's is rotated
   */
  tableAddress(cr3: bigint, mode: PagingMode): bigint {
    if (mode === "4-level" || mode === "5-level") {
      return cr3 & ENTRY_ADDRESS_MASK;
    }
    if (this.#pvLevels !== undefined) {
      const pfn = ((cr3 >> 12n) | (cr3 << 20n)) & 0xffff_ffffn;
      return pfn << BigInt(PAGE_SHIFT);
    }
    return cr3 & (mode === "pae" ? PAE_TABLE_MASK : TABLE_32_MASK);
  }

  #pvMode(): PagingMode {
    return this.#pvLevels === 3 ? "pae" : "4-level";
  }
}

function word(value: DecodedValue | undefined): bigint {
  return typeof value === "string" ? BigInt(value) : 0n;
}
