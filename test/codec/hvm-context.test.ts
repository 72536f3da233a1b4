import { describe, expect, test } from "vitest";
import { decodeHvmEntry, type HvmEntry, splitHvmContext } from "../../src/codec/hvm-context.ts";
import { hex, join } from "../support/bytes.ts";
import { fixture } from "../support/fixtures.ts";

const whole = fixture("hvm-context");

function source(body: Uint8Array) {
  return { body, byteOrder: "little", layer: "libxc", name: "HVM_CONTEXT", offset: 64 } as const;
}

function entryOf(name: string, content: Uint8Array): HvmEntry {
  const known = splitHvmContext(source(whole)).entries.find((entry) => entry.name === name);
  return { ...known!, content };
}

const HEADER = hex("0100 0000 18000000 8612385401000000 ffffffffffffffff b10f0600 42ac2700");
const END = hex("0000 0000 00000000");

describe("splitHvmContext", () => {
  test("entries by their descriptors", () => {
    const pmtimer = hex("0d00 0000 08000000 4c1d1203 0100 2000");
    const { entries, trailingBytes, error } = splitHvmContext(source(join(HEADER, pmtimer, END)));
    expect([trailingBytes, error]).toEqual([0, undefined]);
    expect(entries).toMatchObject([
      { typecode: 1, name: "HEADER", instance: 0, bodyOffset: 0 },
      { typecode: 13, name: "PMTIMER", instance: 0, bodyOffset: 32 },
      { typecode: 0, name: "END", instance: 0, bodyOffset: 48 },
    ]);
    expect(entries.map(decodeHvmEntry)).toEqual([
      {
        magic: "0x54381286",
        version: 1,
        changeset: "0xffffffffffffffff",
        cpuid: "0x60fb1",
        gtsc_khz: 2_600_002,
      },
      { tmr_val: "0x3121d4c", pm1a_sts: "0x1", pm1a_en: "0x20" },
      {},
    ]);
  });

  test("a type nobody knows is kept as its first octets", () => {
    const odd = join(hex("1600 0300 28000000"), new Uint8Array(40).fill(0xab));
    const { entries } = splitHvmContext(source(join(HEADER, odd, END)));
    expect(entries[1]).toMatchObject({ typecode: 22, name: undefined, instance: 3 });
    expect(decodeHvmEntry(entries[1]!)).toEqual({ rest: `${"ab".repeat(32)}… 40 octets` });
  });

  test.each([
    ["no HEADER", END, "RECORD_VALUE", { bodyOffset: 0 }],
    ["another magic", join(hex("0100000008000000 0102030401000000"), END), "RECORD_VALUE", {}],
    ["an entry beyond the body", join(HEADER, hex("0d000000 00000001 00")), "RECORD_LENGTH", {}],
    ["no END", HEADER, "RECORD_LENGTH", { bodyOffset: 32, problem: "there is no END" }],
    ["nothing", new Uint8Array(0), "RECORD_LENGTH", { bodyOffset: 0 }],
  ])("%s is an error with its place", (_name, body, code, where) => {
    const { error } = splitHvmContext(source(body));
    expect(error).toMatchObject({ code, where: { offset: 64, record: "HVM_CONTEXT", ...where } });
  });

  test("entries without end are too many", () => {
    const { entries, error } = splitHvmContext(source(new Uint8Array(8 * 20_000).fill(1)));
    expect(entries.length).toBeLessThanOrEqual(16_384);
    expect(error).toMatchObject({ code: "RECORD_LENGTH" });
  });

  test("what follows END is counted", () => {
    const { trailingBytes, error } = splitHvmContext(source(join(HEADER, END, hex("0102"))));
    expect([trailingBytes, error]).toEqual([2, undefined]);
  });

  test("a real context, cut anywhere, gives the entries before the cut", () => {
    const all = splitHvmContext(source(whole)).entries;
    expect(all).toHaveLength(29);
    for (let cut = 0; cut < whole.length; cut++) {
      const { entries, error } = splitHvmContext(source(whole.subarray(0, cut)));
      const before = all.filter(
        ({ bodyOffset, content }) => bodyOffset + 8 + content.length <= cut,
      );
      if (entries.length !== before.length || error?.code !== "RECORD_LENGTH") {
        expect.fail(`cut at ${cut}: ${entries.length} entries, ${error}`);
      }
    }
  });
});

describe("decodeHvmEntry", () => {
  test("every entry of a real context is of a known type and length", () => {
    const { entries } = splitHvmContext(source(whole));
    const names = new Set(entries.map(({ name }) => name));
    expect(names.size).toBe(20);
    for (const entry of entries) {
      const decoded = decodeHvmEntry(entry);
      expect(entry.name).toBeDefined();
      expect(decoded).not.toHaveProperty("rest");
      expect(decoded).not.toHaveProperty("unusual_length");
    }
  });

  test.each([
    [1032, { msr_tsc_aux: "0x1111", tsc: "0x2222", flags: "0x3333" }],
    [1024, { msr_tsc_aux: "0x1111", tsc: "0x2222" }],
    [1016, { tsc: "0x1111", pending_event: "0x2222", error_code: "0x0" }],
  ])("CPU of %i octets, as Xen wrote it before 3.4, before 4.7 and since", (bytes, expected) => {
    const content = new Uint8Array(bytes);
    content.set(hex("1111 0000 0000 0000 2222 0000 0000 0000"), 1000);
    content.set(hex("3333").subarray(0, Math.max(0, bytes - 1024)), Math.min(1024, bytes));
    const decoded = decodeHvmEntry(entryOf("CPU", content));
    expect(decoded).toMatchObject(expected);
    expect(decoded).not.toHaveProperty("unusual_length");
    expect("flags" in decoded).toBe(bytes === 1032);
    expect("msr_tsc_aux" in decoded).toBe(bytes !== 1016);
  });

  test.each([
    ["LAPIC", 16, "timer_divisor", "tdt_msr"],
    ["LAPIC", 24, "tdt_msr", "pending_esr"],
    ["LAPIC", 32, "pending_esr", "rest"],
    ["RTC", 16, "cmos_index", "rtc_offset"],
    ["VIRIDIAN_DOMAIN", 16, "guest_os_id", "time_ref_count"],
    ["VIRIDIAN_DOMAIN", 24, "time_ref_count", "reference_tsc"],
    ["VIRIDIAN_VCPU", 8, "vp_assist_msr", "apic_assist_pending"],
    ["VIRIDIAN_VCPU", 16, "apic_assist_pending", "simp_msr"],
    ["VMCE_VCPU", 8, "caps", "mci_ctl2_bank0"],
    ["VMCE_VCPU", 24, "mci_ctl2_bank1", "mcg_ext_ctl"],
  ])("%s of %i octets ends with %s, as older Xen wrote it", (name, bytes, last, later) => {
    const decoded = decodeHvmEntry(entryOf(name, new Uint8Array(bytes)));
    expect(Object.keys(decoded).at(-1)).toBe(last);
    expect(decoded).not.toHaveProperty(later);
  });

  test("a length nobody wrote is said, and what goes beyond is kept", () => {
    const content = join(hex("01020304 0500 0600"), hex("cafe"));
    expect(decodeHvmEntry(entryOf("PMTIMER", content))).toEqual({
      tmr_val: "0x4030201",
      pm1a_sts: "0x5",
      pm1a_en: "0x6",
      unusual_length: 10,
      rest: "cafe",
    });
  });

  test("the parts of an octet", () => {
    const content = hex("01 02 03 30 a5 5b 24 01");
    expect(decodeHvmEntry(entryOf("PIC", content))).toMatchObject({
      irr: "0x1",
      imr: "0x2",
      isr: "0x3",
      irq_base: "0x30",
      init_state: 5,
      priority_add: 10,
      readsel_isr: 1,
      poll: 1,
      auto_eoi: 0,
      rotate_on_auto_eoi: 1,
      special_fully_nested_mode: 1,
      special_mask_mode: 0,
      is_master: 1,
      elcr: "0x24",
    });
  });

  test("registers of CPU_MSR by name, no more than there is room for", () => {
    const cpuMsr = { ...entryOf("CPU", hex("")), name: "CPU_MSR", typecode: 20 } as const;
    const two = "02000000 00000000 48000000 00000000 0100000000000000";
    const content = hex(`${two} a00d0000 00000000 0008000000000000`);
    expect(decodeHvmEntry({ ...cpuMsr, content })).toEqual({
      count: 2,
      msrs: [
        { msr: "0x48", name: "SPEC_CTRL", value: "0x1" },
        { msr: "0xda0", name: "XSS", value: "0x800" },
      ],
    });
    const claimed = join(hex("ffffffff 00000000"), content.subarray(8));
    expect(decodeHvmEntry({ ...cpuMsr, content: claimed }).msrs).toHaveLength(2);
  });

  test("components of CPU_XSAVE", () => {
    const content = new Uint8Array(832);
    content.set(hex("0700000000000000 0700000000000000"), 8);
    content.set(hex("06"), 24 + 512);
    const xsave = { ...entryOf("CPU", content), name: "CPU_XSAVE", typecode: 16 } as const;
    expect(decodeHvmEntry(xsave)).toMatchObject({
      xsave: { xcr0: "0x7", xcr0_accum: "0x7", xstate_bv: "0x6" },
      components: "sse avx",
      extended_bytes: 232,
    });
  });

  test("an entry cut anywhere is decoded as far as it goes", () => {
    for (const entry of splitHvmContext(source(whole)).entries) {
      const full = decodeHvmEntry(entry);
      for (let cut = 0; cut < entry.content.length; cut++) {
        const decoded = decodeHvmEntry({ ...entry, content: entry.content.subarray(0, cut) });
        const unlike = Object.keys(decoded).filter((name) => !(name in full));
        if (unlike.some((name) => name !== "unusual_length" && name !== "rest")) {
          expect.fail(`${entry.name} cut at ${cut}: ${unlike}`);
        }
      }
    }
  });
});
