import { describe, expect, test } from "vitest";
import type { Decoded } from "../../src/codec/layout.ts";
import {
  decodePvVcpuBasic,
  decodePvVcpuExtended,
  decodePvVcpuMsrs,
  decodePvVcpuXsave,
  decodeSharedInfo,
} from "../../src/codec/pv-state.ts";
import { PV_VCPU_BASIC, PV_VCPU_EXTENDED, SHARED_INFO } from "../../src/format/pv-state.ts";
import { hex, join } from "../support/bytes.ts";
import { fixture, fixtureText } from "../support/fixtures.ts";

function source(body: Uint8Array) {
  return { body, byteOrder: "little", layer: "libxc", name: "RECORD", offset: 64 } as const;
}

/** Registers of `xenctx` by the names it gives them. */
function xenctxRegisters(): ReadonlyMap<string, string> {
  const found = fixtureText("pv-vcpu-basic").matchAll(/\b(\w+): ([0-9a-f]+)/g);
  return new Map(
    [...found].map(([, name, value]) => [name!, `0x${BigInt(`0x${value}`).toString(16)}`]),
  );
}

describe("structures are as large as Xen's", () => {
  test.each([
    ["vcpu_guest_context of 64 bits", PV_VCPU_BASIC[8], 5168],
    ["vcpu_guest_context of 32 bits", PV_VCPU_BASIC[4], 2800],
    ["xen_domctl_ext_vcpucontext", PV_VCPU_EXTENDED, 64],
    ["shared_info of 64 bits", SHARED_INFO[8], 3136],
    ["shared_info of 32 bits", SHARED_INFO[4], 2344],
  ])("%s", (_name, { sizeBytes }, expected) => {
    expect(sizeBytes).toBe(expected);
  });
});

describe("X86_PV_VCPU_BASIC", () => {
  const vcpu = decodePvVcpuBasic(source(fixture("pv-vcpu-basic")), 8);

  test("registers agree with xenctx, but for frames that an image names by pfn", () => {
    const theirs = xenctxRegisters();
    const { user_regs: registers, ctrlreg, debugreg, fs_base } = vcpu as Record<string, Decoded>;
    const names = "rip rsp rax rcx rbx rsi rdi rbp r8 r9 r10 r11 r12 r13 r14 r15 cs ss ds es";
    for (const name of names.split(" ")) {
      expect([name, registers?.[name]]).toEqual([name, theirs.get(name)]);
    }
    expect(registers?.rflags).toBe(theirs.get("flags"));
    expect([ctrlreg?.[0], ctrlreg?.[2], ctrlreg?.[4]]).toEqual([
      theirs.get("cr0"),
      theirs.get("cr2"),
      theirs.get("cr4"),
    ]);
    expect([0, 1, 2, 3, 6, 7].map((index) => debugreg?.[index])).toEqual(
      ["dr0", "dr1", "dr2", "dr3", "dr6", "dr7"].map((name) => theirs.get(name)),
    );
    expect([fs_base, vcpu.gs_base_kernel]).toEqual(["0x0", "0xffff888000c00000"]);
    expect(theirs.get("cr3")).not.toBe(ctrlreg?.[3]);
    expect(theirs.get("rdx")).not.toBe(registers?.rdx);
  });

  test("traps that are set", () => {
    expect(vcpu).toMatchObject({ vcpu: 0, gdt_ents: "16" });
    expect(vcpu.trap_ctxt).toHaveLength(32);
    expect(vcpu.trap_ctxt).toContainEqual({
      vector: "0xe",
      flags: "0x4",
      cs: "0x13",
      address: "0xffffffff8101cea0",
    });
  });

  test("a 32-bit guest's", () => {
    const context = new Uint8Array(2800);
    context.set(hex("24000000 02000000 489f10c0 30020000"), 512);
    context.set(hex("33800580 00000000 00000000 00302300"), 512 + 4 + 68 + 2048 + 8 + 68 + 8);
    const decoded = decodePvVcpuBasic(source(join(hex("01000000 00000000"), context)), 4);
    expect(decoded).toMatchObject({
      vcpu: 1,
      flags: "0x24",
      user_regs: { ebx: "0x2", ecx: "0xc0109f48", edx: "0x230" },
      ctrlreg: ["0x80058033", "0x0", "0x0", "0x233000", "0x0", "0x0", "0x0", "0x0"],
      trap_ctxt: [],
    });
  });

  test("cut anywhere is an error with its place", () => {
    const body = fixture("pv-vcpu-basic");
    for (let cut = 0; cut < body.length; cut++) {
      expect(() => decodePvVcpuBasic(source(body.subarray(0, cut)), 8)).toThrow(
        expect.objectContaining({
          code: "RECORD_LENGTH",
          where: expect.objectContaining({ offset: 64 }),
        }),
      );
    }
  });
});

test("X86_PV_VCPU_EXTENDED", () => {
  const context = "01000000 40000000 60cf0181ffffffff 0000000000000000 10e0 0000 01 00 0000";
  const decoded = decodePvVcpuExtended(
    source(hex(`01000000 00000000 ${context} 0200000000000000`)),
  );
  expect(decoded).toEqual({
    vcpu: 1,
    size: 64,
    syscall32_callback_eip: "0xffffffff8101cf60",
    sysenter_callback_eip: "0x0",
    syscall32_callback_cs: "0xe010",
    sysenter_callback_cs: "0x0",
    syscall32_disables_events: "0x1",
    sysenter_disables_events: "0x0",
    mcg_cap: "0x2",
  });
});

test("X86_PV_VCPU_XSAVE without a saved area", () => {
  const body = hex("00000000 00000000 0300000000000000 0300000000000000");
  expect(decodePvVcpuXsave(source(body))).toEqual({
    vcpu: 0,
    xcr0: "0x3",
    xcr0_accum: "0x3",
    components: "",
    extended_bytes: 0,
  });
});

test("X86_PV_VCPU_MSRS by name, and not half of one", () => {
  const body = hex("02000000 00000000 40010000 00000000 0100000000000000");
  expect(decodePvVcpuMsrs(source(body))).toEqual({
    vcpu: 2,
    msrs: [{ msr: "0x140", value: "0x1", name: "INTEL_MISC_FEATURES_ENABLES" }],
  });
  expect(() => decodePvVcpuMsrs(source(body.subarray(0, 20)))).toThrow(
    expect.objectContaining({ code: "RECORD_LENGTH" }),
  );
});

describe("SHARED_INFO", () => {
  test("of a real guest", () => {
    const decoded = decodeSharedInfo(source(fixture("shared-info")), 8);
    expect(decoded.vcpu_info).toMatchObject([
      { vcpu: 0, evtchn_upcall_mask: "0x1", time: { tsc_shift: -1, version: 112 } },
    ]);
    expect(decoded).toMatchObject({ max_pfn: "8192", wc_sec_hi: 0, p2m_generation: "0x0" });
    expect(decoded.p2m_vaddr).toMatch(/^0xffff/);
  });

  test("ports of events, in runs", () => {
    const page = new Uint8Array(4096);
    page.set(hex("0f 00 00 00 00 00 00 80 01"), 32 * 64);
    const { evtchn_pending: pending } = decodeSharedInfo(source(page), 8);
    expect(pending).toEqual(["0-3", "63-64"]);
  });

  test("cut anywhere: what is before the cut", () => {
    const body = fixture("shared-info");
    const whole = decodeSharedInfo(source(body), 8);
    for (let cut = 0; cut < body.length; cut += 64) {
      const decoded = decodeSharedInfo(source(body.subarray(0, cut)), 8);
      expect(Object.keys(whole)).toEqual(expect.arrayContaining(Object.keys(decoded)));
    }
  });
});
