/**
 * Names of the model-specific registers that policies and contexts carry.
 *
 * @source xen/arch/x86/hvm/hvm.c and domctl.c, msrs_to_send; Intel SDM 4; AMD APM 2, appendix A
 */
const MSR_NAMES: Readonly<Record<number, string>> = {
  16: "TSC",
  72: "SPEC_CTRL",
  206: "INTEL_PLATFORM_INFO",
  266: "ARCH_CAPABILITIES",
  290: "TSX_CTRL",
  320: "INTEL_MISC_FEATURES_ENABLES",
  1761: "PKRS",
  3472: "BNDCFGS",
  3488: "XSS",
  3221225600: "EFER",
  3221225601: "STAR",
  3221225602: "LSTAR",
  3221225603: "CSTAR",
  3221225604: "SYSCALL_MASK",
  3221225728: "FS_BASE",
  3221225729: "GS_BASE",
  3221225730: "SHADOW_GS_BASE",
  3221225731: "TSC_AUX",
  3221291295: "VIRT_SPEC_CTRL",
  3221295129: "AMD64_DR1_ADDRESS_MASK",
  3221295130: "AMD64_DR2_ADDRESS_MASK",
  3221295131: "AMD64_DR3_ADDRESS_MASK",
  3221295143: "AMD64_DR0_ADDRESS_MASK",
};

/** Name of a model-specific register; `undefined` for those not in the table. */
export function msrName(index: number): string | undefined {
  return MSR_NAMES[index];
}
