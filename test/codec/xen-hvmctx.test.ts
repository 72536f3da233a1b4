import { describe, expect, test } from "vitest";
import { decodeHvmEntry, type HvmEntry, splitHvmContext } from "../../src/codec/hvm-context.ts";
import type { Decoded, DecodedValue } from "../../src/codec/layout.ts";
import { fixture, fixtureText } from "../support/fixtures.ts";
import { type HvmctxEntry, hvmctxEntries, numbersBehind } from "../support/xen-hvmctx.ts";

const body = fixture("hvm-context");
const { entries } = splitHvmContext({ body, byteOrder: "little" });
const printed = hvmctxEntries(fixtureText("hvm-context"));

/** Our name of each value that xen-hvmctx prints in a line of its own kind, by its label there. */
const CPU_LABELS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    "rax rbx rcx rdx rbp rsi rdi rsp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags cr0 cr2 cr3 cr4"
      .split(" ")
      .map((name) => [name, name]),
  ),
  dr0: "dr0",
  dr1: "dr1",
  dr2: "dr2",
  dr3: "dr3",
  dr6: "dr6",
  dr7: "dr7",
  "sysenter cs": "sysenter_cs",
  eip: "sysenter_eip",
  esp: "sysenter_esp",
  "shadow gs": "shadow_gs",
  efer: "msr_efer",
  lstar: "msr_lstar",
  cstar: "msr_cstar",
  star: "msr_star",
  sfmask: "msr_syscall_mask",
  event: "pending_event",
  error: "error_code",
};

/** The program prints ds in the line that it labels es, and the other way round. */
const SEGMENTS = [
  ["cs", "cs"],
  ["es", "ds"],
  ["ds", "es"],
  ["fs", "fs"],
  ["gs", "gs"],
  ["ss", "ss"],
  ["tr", "tr"],
  ["ldtr", "ldtr"],
] as const;

const FPU_LABELS = {
  fcw: "fcw",
  fsw: "fsw",
  ftw: "ftw",
  fop: "fop",
  fpuip: "fpuip",
  fpudp: "fpudp",
  mxcsr: "mxcsr",
  "0x[0-9a-f]+ mask": "mxcsr_mask",
} as const;

const PIC_LABELS =
  "irr imr isr init_state priority_add readsel_isr poll auto_eoi rotate_on_auto_eoi " +
  "special_fully_nested_mode special_mask_mode is_master elcr int_output";

function bigints(value: DecodedValue | undefined): readonly bigint[] {
  return (Array.isArray(value) ? value : [value]).map((one) => BigInt(one as string | number));
}

function member(value: DecodedValue | undefined, name: string): DecodedValue | undefined {
  return typeof value === "object" && name in value ? (value as Decoded)[name] : undefined;
}

function compareCpu(decoded: Decoded, text: string): void {
  for (const [label, name] of Object.entries(CPU_LABELS)) {
    const [theirs] = numbersBehind(text, new RegExp(`(?:^|\\s)${label}`, "m"));
    expect([name, ...bigints(decoded[name])]).toEqual([name, theirs]);
  }
  for (const [label, name] of SEGMENTS) {
    const line = new RegExp(`^ +${label} +(\\w+) \\( *(\\w+) \\+ +(\\w+) / +(\\w+)\\)$`, "m").exec(
      text,
    );
    const parts = ["sel", "base", "limit", "arbytes"].map((part) => decoded[`${name}_${part}`]);
    expect(line?.slice(1).map((digits) => Number.parseInt(digits, 16))).toEqual(
      parts.map((part) => Number.parseInt(String(part), 16)),
    );
  }
  for (const [label, name] of Object.entries(FPU_LABELS)) {
    const [theirs] = numbersBehind(text, new RegExp(`\\s${label}`));
    expect([name, ...bigints(member(decoded.fpu, name))]).toEqual([name, theirs]);
  }
  expect(bigints(member(decoded.fpu, "st"))).toEqual(numbersBehind(text, /mm\d/));
  expect(bigints(member(decoded.fpu, "xmm"))).toEqual(numbersBehind(text, /xmm\d\d/));
}

function comparePic(decoded: Decoded, text: string): void {
  expect(bigints(decoded.irq_base)).toEqual(numbersBehind(text, /IRQ base/));
  for (const name of PIC_LABELS.split(" ")) {
    const theirs = numbersBehind(text, new RegExp(`\\b${name}`), "decimal");
    expect([name, ...bigints(decoded[name])]).toEqual([name, ...theirs]);
  }
}

/** The program prints two channels of three. */
function comparePit(decoded: Decoded, text: string): void {
  const labels = {
    " count": "count",
    latched_count: "latched_count",
    count_latched: "count_latched",
    " status": "status",
    status_latched: "status_latched",
    rd_state: "read_state",
    wr_state: "write_state",
    wr_latch: "write_latch",
    rw_mode: "rw_mode",
    " mode": "mode",
    bcd: "bcd",
    gate: "gate",
  };
  for (const [label, name] of Object.entries(labels)) {
    const channels = Array.isArray(decoded.channels) ? decoded.channels.slice(0, 2) : [];
    const ours = channels.flatMap((channel) => bigints(member(channel, name)));
    expect([name, ...ours]).toEqual([name, ...numbersBehind(text, new RegExp(label))]);
  }
}

/** Main counter and next comparison are clocks. */
function compareHpet(decoded: Decoded, text: string): void {
  const timers = Array.isArray(decoded.timers) ? decoded.timers : [];
  const ofTimers = (name: string) => timers.flatMap((timer) => bigints(member(timer, name)));
  expect(bigints(decoded.capability)).toEqual(numbersBehind(text, /capability/));
  expect(bigints(decoded.isr)).toEqual(numbersBehind(text, /isr/));
  const [config, ...timerConfigs] = numbersBehind(text, /config/);
  expect(bigints(decoded.config)).toEqual([config]);
  expect(ofTimers("config")).toEqual(timerConfigs);
  expect(ofTimers("cmp").slice(1)).toEqual(numbersBehind(text, /cmp/).slice(1));
  expect(ofTimers("fsb")).toEqual(numbersBehind(text, /fsb/));
  expect(bigints(decoded.period)).toEqual(numbersBehind(text, /period/));
}

function compareMtrr(decoded: Decoded, text: string): void {
  expect(bigints(decoded.msr_pat_cr)).toEqual(numbersBehind(text, /PAT/));
  expect(bigints(decoded.msr_mtrr_cap)).toEqual(numbersBehind(text, /cap/));
  expect(bigints(decoded.msr_mtrr_def_type)).toEqual(numbersBehind(text, /default/));
  expect(bigints(decoded.fixed)).toEqual(numbersBehind(text, /fixed [0-9a-f]{2}/));
  const ranges = Array.isArray(decoded.var) ? decoded.var : [];
  const bases = ranges.flatMap((range) => bigints(member(range, "base")));
  const masks = ranges.flatMap((range) => bigints(member(range, "mask")));
  expect(bases).toEqual(numbersBehind(text, /var \d/));
  expect(masks).toEqual(numbersBehind(text, /var \d +0x[0-9a-f]+/));
}

function compareLapicRegisters(decoded: Decoded, text: string): void {
  const theirs = [...text.matchAll(/0x(\w{3}): 0x(\w{8})/g)].map(
    ([, offset, value]) => [Number.parseInt(offset!, 16), BigInt(`0x${value}`)] as const,
  );
  const at = new Map(theirs);
  expect(at.size).toBe(64);
  expect(bigints(decoded.version)).toEqual([at.get(0x30)]);
  expect(bigints(decoded.svr)).toEqual([at.get(0xf0)]);
  expect(bigints(decoded.lvt_timer)).toEqual([at.get(0x320)]);
  expect(bigints(decoded.timer_divide)).toEqual([at.get(0x3e0)]);
  for (const [name, offset] of Object.entries({ isr: 0x100, tmr: 0x180, irr: 0x200 })) {
    const words = Array.from({ length: 8 }, (_, index) => at.get(offset + index * 16));
    expect(bigints(decoded[name])).toEqual(words);
  }
}

function compareRtc(decoded: Decoded, text: string): void {
  const registers = [...text.matchAll(/0x(\w\w)/g)].map(([, digits]) => digits);
  expect(decoded.cmos_data).toBe(registers.slice(0, 14).join(""));
  expect(decoded.cmos_index).toBe("0xf");
}

/** Values printed behind labels of their own, by type. */
const LABELS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  HEADER: { "CPUID\\[0\\]\\[%eax\\]": "cpuid", changeset: "changeset", magic: "magic" },
  IOAPIC: {
    base_address: "base_address",
    ioregsel: "ioregsel",
    id: "id",
    "pin \\d\\d:": "redirtbl",
  },
  LAPIC: { base_msr: "apic_base_msr", disabled: "disabled", timer_divisor: "timer_divisor" },
  ISA_IRQ: { "ISA IRQs:": "wires" },
  PMTIMER: { PM1a_STS: "pm1a_sts", PM1a_EN: "pm1a_en" },
  VIRIDIAN_DOMAIN: { "hypercall gpa": "hypercall_gpa", guest_os_id: "guest_os_id" },
  VIRIDIAN_VCPU: { vp_assist_msr: "vp_assist_msr" },
  VMCE_VCPU: {
    caps: "caps",
    "bank0 mci_ctl2": "mci_ctl2_bank0",
    "bank1 mci_ctl2": "mci_ctl2_bank1",
  },
  TSC_ADJUST: { tsc_adjust: "tsc_adjust" },
};

type Compare = (decoded: Decoded, text: string) => void;

const COMPARE: Readonly<Record<string, Compare>> = {
  CPU: compareCpu,
  PIC: comparePic,
  PIT: comparePit,
  HPET: compareHpet,
  MTRR: compareMtrr,
  LAPIC_REGS: compareLapicRegisters,
  RTC: compareRtc,
};

const compareLabels =
  (labels: Readonly<Record<string, string>>): Compare =>
  (decoded, text) => {
    for (const [label, name] of Object.entries(labels)) {
      expect(bigints(decoded[name])).toEqual(numbersBehind(text, new RegExp(`\\b${label}`)));
    }
  };

describe("a saved HVM context, and what xen-hvmctx said of the guest", () => {
  test("the same entries", () => {
    const heads = (list: readonly (HvmEntry | HvmctxEntry)[]) =>
      list.map((entry) => [
        entry.typecode,
        entry.instance,
        "content" in entry ? entry.content.length : entry.bytes,
      ]);
    expect(heads(entries)).toEqual(heads(printed));
  });

  test.each(entries.map((entry, index) => [entry.name, entry.instance, index] as const))(
    "%s %i: the same values",
    (_name, _instance, index) => {
      expect.hasAssertions();
      expect(printed[index]?.typecode).toBe(entries[index]?.typecode);
      const name = entries[index]!.name ?? "";
      const compare = COMPARE[name] ?? compareLabels(LABELS[name] ?? {});
      compare(decodeHvmEntry(entries[index]!), printed[index]!.text);
    },
  );
});
