/**
 * Fields that tell the time: they differ between any two moments of a guest that is otherwise the
 * same. A `*` stands for anything.
 */
const CLOCKS: readonly string[] = [
  "tsc.nsec",
  "hvm.CPU[*].tsc",
  "hvm.TSC_ADJUST[*].tsc_adjust",
  "hvm.LAPIC[*].tdt_msr",
  "hvm.LAPIC_REGS[*].timer_current",
  "hvm.PIT[*].channels[*].count*",
  "hvm.RTC[*].cmos_data",
  "hvm.RTC[*].rtc_offset",
  "hvm.HPET[*].mc64",
  "hvm.HPET[*].timers[*].cmp",
  "hvm.PMTIMER[*].tmr_val",
  "hvm.VIRIDIAN_DOMAIN[*].time_ref_count",
  "shared-info.vcpu_info[*].time.*",
  "shared-info.wc_*",
  "emulator.*.timer[*].state",
];

/** Whether a field is left out, by its path. */
export type IsIgnored = (path: string) => boolean;

/**
 * Makes what leaves fields out.
 *
 * @param names `clocks` for the fields that tell the time, else patterns of paths in which `*`
 *   stands for anything: `hvm.LAPIC_REGS*`. A pattern is of all fields below, too.
 */
export function ignoring(names: readonly string[]): IsIgnored {
  const patterns = names.flatMap((name) => (name === "clocks" ? CLOCKS : name)).map(patternOf);
  return (path) => patterns.some((pattern) => pattern.test(path));
}

function patternOf(text: string): RegExp {
  const parts = text.split("*").map((part) => part.replaceAll(/[.[\](){}+?^$|\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}(?:[.[].*)?$`);
}
