/** A register of CPUID. */
export type CpuidRegister = "eax" | "ebx" | "ecx" | "edx";

/** The subleaf that leaves without subleaves have in a policy. @source XEN_CPUID_NO_SUBLEAF */
export const NO_SUBLEAF = 0xffff_ffff;

/** 32 features of a CPU, and where they are told. */
export interface FeatureWord {
  readonly from:
    | {
        readonly kind: "cpuid";
        readonly leaf: number;
        readonly subleaf: number;
        readonly register: CpuidRegister;
      }
    | { readonly kind: "msr"; readonly index: number; readonly half: "low" | "high" };
  /** By bit; `undefined` for bits that Xen has no name for. */
  readonly names: readonly (string | undefined)[];
  /** Bits that only repeat another word's. */
  readonly repeatedMask: number;
}

const ANY = NO_SUBLEAF;

/**
 * Bits of leaf 0x80000001 in which AMD's CPUs repeat leaf 1.
 *
 * @source xen/tools/gen-cpuid.py, common_1d
 */
const REPEATED_OF_LEAF_1 = 0x0183_f3ff;

/**
 * All features Xen knows, by its names for them, in the order of its featureset.
 *
 * @source xen/include/public/arch-x86/cpufeatureset.h of 4.14 to 4.22, whose names differ nowhere
 */
export const FEATURE_WORDS: readonly FeatureWord[] = [
  leaf(
    0x1,
    ANY,
    "edx",
    "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 - clflush - " +
      "ds acpi mmx fxsr sse sse2 ss htt tm1 - pbe",
  ),
  leaf(
    0x1,
    ANY,
    "ecx",
    "sse3 pclmulqdq dtes64 monitor dscpl vmx smx eist tm2 ssse3 - sdbg fma cx16 xtpr pdcm - " +
      "pcid dca sse4-1 sse4-2 x2apic movbe popcnt tsc-deadline aesni xsave osxsave avx f16c " +
      "rdrand hypervisor",
  ),
  leaf(
    0x8000_0001,
    ANY,
    "edx",
    "- - - - - - - - - - - syscall - - - - - - - - nx - mmxext - - ffxsr page1gb rdtscp - " +
      "lm 3dnowext 3dnow",
  ),
  leaf(
    0x8000_0001,
    ANY,
    "ecx",
    "lahf-lm cmp-legacy svm extapic cr8-legacy abm sse4a misalignsse 3dnowprefetch osvw ibs " +
      "xop skinit wdt - lwp fma4 - - nodeid-msr - tbm topoext - - - dbext - - monitorx " +
      "addr-msk-ext",
  ),
  leaf(0xd, 1, "eax", "xsaveopt xsavec xgetbv1 xsaves xfd"),
  leaf(
    0x7,
    0,
    "ebx",
    "fsgsbase tsc-adjust sgx bmi1 hle avx2 fdp-excp-only smep bmi2 erms invpcid rtm pqm " +
      "no-fpu-sel mpx pqe avx512f avx512dq rdseed adx smap avx512-ifma - clflushopt clwb " +
      "proc-trace avx512pf avx512er avx512cd sha avx512bw avx512vl",
  ),
  leaf(
    0x7,
    0,
    "ecx",
    "prefetchwt1 avx512-vbmi umip pku ospke waitpkg avx512-vbmi2 cet-ss gfni vaes " +
      "vpclmulqdq avx512-vnni avx512-bitalg tme avx512-vpopcntdq - la57 - - - - - rdpid - bld " +
      "cldemote - movdiri movdir64b enqcmd sgx-lc pks",
  ),
  leaf(0x8000_0007, ANY, "edx", "- - - - - - - hw-pstate itsc cpb efro"),
  leaf(
    0x8000_0008,
    ANY,
    "ebx",
    "clzero - rstr-fp-err-ptrs - - - - - - wbnoinvd - - ibpb - ibrs amd-stibp ibrs-always " +
      "stibp-always ibrs-fast ibrs-same-mode no-lmsl - - amd-ppin amd-ssbd virt-ssbd ssb-no " +
      "cppc psfd btc-no ibpb-ret",
  ),
  leaf(
    0x7,
    0,
    "edx",
    "- sgx-keys avx512-4vnniw avx512-4fmaps fsrm uintr - - avx512-vp2intersect srbds-ctrl " +
      "md-clear rtm-always-abort - tsx-force-abort serialize hybrid tsxldtrk - pconfig " +
      "arch-lbr cet-ibt - amx-bf16 avx512-fp16 amx-tile amx-int8 ibrsb stibp l1d-flush " +
      "arch-caps core-caps ssbd",
  ),
  leaf(
    0x7,
    1,
    "eax",
    "sha512 sm3 sm4 - avx-vnni avx512-bf16 lass cmpccxadd arch-perf-mon - fzrm fsrs fsrcs - " +
      "- - - fred lkgs wrmsrns nmi-src amx-fp16 - avx-ifma - - lam msrlist - - no-invd movrs",
  ),
  leaf(
    0x8000_0021,
    ANY,
    "eax",
    "no-nest-bp fs-gs-ns lfence-dispatch - - verw-clear nscb - auto-ibrs - amd-fsrs " +
      "amd-fsrc - - - - - cpuid-user-dis epsf fsrsc amd-prefetchi - - avx512-bmm - - - sbpb " +
      "ibpb-brtype srso-no srso-us-no srso-msr-fix",
  ),
  leaf(0x7, 1, "ebx", "intel-ppin"),
  leaf(0x7, 2, "edx", "intel-psfd ipred-ctrl rrsba-ctrl ddp-ctrl bhi-ctrl mcdt-no uc-lock-dis"),
  leaf(0x7, 1, "ecx", ""),
  leaf(
    0x7,
    1,
    "edx",
    "- - - - avx-vnni-int8 avx-ne-convert - - amx-complex - avx-vnni-int16 - - - prefetchi " +
      "- - uiret-uif cet-sss - - - - - slsm",
  ),
  msr(
    0x10a,
    "low",
    "rdcl-no eibrs rsba skip-l1dfl intel-ssb-no mds-no if-pschange-mc-no tsx-ctrl taa-no " +
      "mcu-ctrl misc-pkg-ctrl energy-filtering doitm sbdr-ssdp-no fbsdp-no psdp-no mcu-ext " +
      "fb-clear fb-clear-ctrl rrsba bhi-no xapic-status - ovrclk-status pbrsb-no gds-ctrl " +
      "gds-no rfds-no rfds-clear ign-umonitor mon-umon-mitg",
  ),
  msr(
    0x10a,
    "high",
    "pb-opt-ctrl - - - - - - - - - - - - - - - - - - - - - - - - - - - - - its-no",
  ),
  leaf(0x8000_0021, ANY, "ecx", "- tsa-sq-no tsa-l1-no"),
];

/**
 * What is no feature of a CPU: what the guest itself switches on, and what the toolstack makes up
 * of the guest's vCPUs.
 */
export const DYNAMIC_FEATURES: ReadonlySet<string> = new Set([
  "osxsave",
  "ospke",
  "htt",
  "cmp-legacy",
]);

/**
 * Features that PV guests are never told of, whatever the CPU.
 *
 * @source cpufeatureset.h, "Applicability to guests": S and H without A
 */
export const HVM_FEATURES: ReadonlySet<string> = new Set(
  (
    "vme pse mtrr pge pse36 vmx pcid x2apic tsc-deadline page1gb svm cr8-legacy xsaves " +
    "tsc-adjust smep invpcid mpx smap umip pku ibrs amd-stibp ibrs-always stibp-always " +
    "ibrs-fast ibrs-same-mode no-lmsl amd-ssbd psfd l1d-flush auto-ibrs fs-gs-ns ipred-ctrl " +
    "rrsba-ctrl bhi-ctrl pks wrmsrns lass"
  ).split(" "),
);

/** Components of extended state that go with those. */
export const HVM_XSTATE: ReadonlySet<string> = new Set(["bndregs", "bndcsr", "pkru"]);

/**
 * Features that warn, or tell of a remedy: a guest must see them if any CPU it may run on has them.
 *
 * @source cpufeatureset.h, "Migration"; for the last two xen/arch/x86/cpu-policy.c
 *   guest_common_max_feature_adjustments
 */
export const ACCUMULATED_FEATURES: ReadonlySet<string> = new Set([
  "no-lmsl",
  "md-clear",
  "fs-gs-ns",
  "verw-clear",
  "fb-clear",
  "rfds-clear",
  "rsba",
  "rrsba",
]);

/**
 * Features that Xen gives guests whether the CPU has them or not.
 *
 * @source xen/arch/x86/cpu-policy.c
 */
export const EMULATED_FEATURES: ReadonlySet<string> = new Set([
  "hypervisor",
  "x2apic",
  "umip",
  "virt-ssbd",
]);

/**
 * Names that every xl knows, where that is another than Xen's own.
 *
 * @source libxl_cpuid.c cpuid_flags
 */
const XL_NAMES: Readonly<Record<string, string>> = {
  cx8: "cmpxchg8",
  sep: "sysenter",
  clflush: "clfsh",
  tm1: "tm",
  eist: "est",
  cx16: "cmpxchg16",
  "sse4-1": "sse4_1",
  "sse4-2": "sse4_2",
  aesni: "aes",
  "lahf-lm": "lahfsahf",
  "cmp-legacy": "cmplegacy",
  "cr8-legacy": "altmovcr8",
  "nodeid-msr": "nodeid",
  "tsc-adjust": "tsc_adjust",
  pqm: "cmt",
  itsc: "invtsc",
};

/** A feature's name in the `cpuid` line of an xl.cfg. */
export function xlFeatureName(name: string): string {
  return XL_NAMES[name] ?? name;
}

function leaf(
  leafNumber: number,
  subleaf: number,
  register: CpuidRegister,
  names: string,
): FeatureWord {
  const from = { kind: "cpuid", leaf: leafNumber, subleaf, register } as const;
  const repeats = leafNumber === 0x8000_0001 && register === "edx";
  return { from, names: namesByBit(names), repeatedMask: repeats ? REPEATED_OF_LEAF_1 : 0 };
}

function msr(index: number, half: "low" | "high", names: string): FeatureWord {
  return { from: { kind: "msr", index, half }, names: namesByBit(names), repeatedMask: 0 };
}

function namesByBit(names: string): readonly (string | undefined)[] {
  return names.split(" ").map((name) => (name === "-" || name === "" ? undefined : name));
}
