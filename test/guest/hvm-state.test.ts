import { describe, expect, test } from "vitest";
import { parseGuestSpec } from "../../src/guest/config.ts";
import { decodeGuestState, decodeHvmState, encodeHvmState } from "../../src/guest/hvm-state.ts";
import type { StateRecord } from "../../src/guest/types.ts";
import type { VcpuState } from "../../src/guest/workload.ts";

const FIRST: VcpuState = {
  stores: 0x1122334455667788n,
  reads: 2n,
  faults: 3n,
  prng: 0xffeeddccbbaa9988n,
  cursor: 5n,
  versions: 0x8000000000000001n,
};
const SECOND: VcpuState = { stores: 7n, reads: 8n, faults: 0n, prng: 9n, cursor: 1n, versions: 4n };

/** struct hvm_hw_cpu, from its first field to its last, in hexadecimal: [how often, octets]. */
const RESET_TAIL_FROM_RFLAGS = [
  [1, "0200000000000000"], // rflags
  [1, "1000006000000000"], // cr0
  [3, "0000000000000000"], // cr2, cr3, cr4
  [4, "0000000000000000"], // dr0-dr3
  [1, "f00fffff00000000"], // dr6
  [1, "0004000000000000"], // dr7
  [1, "00f00000"], // cs_sel
  [7, "00000000"], // ds_sel to ldtr_sel
  [10, "ffff0000"], // cs_limit to gdtr_limit
  [1, "0000ffff00000000"], // cs_base
  [9, "0000000000000000"], // ds_base to gdtr_base
  [1, "9b000000"], // cs_arbytes
  [5, "93000000"], // ds_arbytes to ss_arbytes
  [1, "8b000000"], // tr_arbytes
  [1, "82000000"], // ldtr_arbytes
  [3, "0000000000000000"], // sysenter
  [8, "0000000000000000"], // shadow_gs to msr_tsc_aux
  [1, "0000000000000000"], // tsc
  [2, "00000000"], // pending_event, error_code
  [2, "00000000"], // flags, pad0
] as const;

function records(): StateRecord[] {
  return encodeHvmState([FIRST, SECOND]).map(({ type, body }) => ({ type, body: body.slice() }));
}

function changed(type: number, change: (body: Uint8Array) => Uint8Array): StateRecord[] {
  return records().map((record) =>
    record.type === type ? { type, body: change(record.body) } : record,
  );
}

function poked(type: number, offset: number, value: number): StateRecord[] {
  return changed(type, (body) => body.with(offset, value));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

describe("encoding", () => {
  test("X86_TSC_INFO, HVM_PARAMS, HVM_CONTEXT, in this order", () => {
    expect(records().map(({ type }) => type)).toEqual([8, 10, 9]);
  });

  test("the small records", () => {
    const [tsc, params] = records();
    expect(hex(tsc!.body)).toBe("00".repeat(24));
    expect(hex(params!.body)).toBe("0100000000000000" + "2400000000000000" + "0800000000000000");
  });

  test("the HVM context, octet for octet", () => {
    const context = records()[2]!.body;
    expect(context.length).toBe(8 + 24 + 2 * (8 + 1032) + 8);
    expect(hex(context.subarray(0, 32))).toBe(
      ["0100000018000000", "86123854", "01000000", "f".repeat(16), "0".repeat(16)].join(""),
    );
    expect(hex(context.subarray(32, 40))).toBe("0200000008040000");
    const cpu = context.subarray(40, 40 + 1032);
    const tail = RESET_TAIL_FROM_RFLAGS.map(([times, octets]) => octets.repeat(times)).join("");
    expect(hex(cpu.subarray(512))).toBe(
      `${
        "8877665544332211" + // rax
        "0200000000000000" + // rbx
        "0300000000000000" + // rcx
        "8899aabbccddeeff" + // rdx
        "0000000000000000" + // rbp
        "0500000000000000" + // rsi
        "0100000000000080" + // rdi
        "00".repeat(9 * 8) + // rsp, r8-r15
        "8877665544332211" // rip
      }${tail}`,
    );
    expect(cpu.subarray(0, 512).every((octet) => octet === 0)).toBe(true);
    expect(hex(context.subarray(1072, 1080))).toBe("0200010008040000");
    expect(hex(context.subarray(-8))).toBe("0000000000000000");
  });
});

describe("decoding", () => {
  test("gives back what was encoded", () => {
    expect(decodeHvmState(records(), 2)).toEqual([FIRST, SECOND]);
  });

  test("takes records at odd places of larger buffers", () => {
    const shifted = records().map(({ type, body }) => {
      const buffer = new Uint8Array(body.length + 3);
      buffer.set(body, 3);
      return { type, body: buffer.subarray(3) };
    });
    expect(decodeHvmState(shifted, 2)).toEqual([FIRST, SECOND]);
  });

  test("takes the params of converted legacy images, which come in two records", () => {
    const params = new Uint8Array(8 + 3 * 16);
    params[0] = 3;
    for (const [position, index] of [5, 6, 1].entries()) {
      params.set([index], 8 + 16 * position);
      params.set([0xfd], 16 + 16 * position);
    }
    const [tsc, own, context] = records();
    expect(decodeHvmState([tsc!, own!, { type: 10, body: params }, context!], 2)).toEqual([
      FIRST,
      SECOND,
    ]);
  });

  test("ignores what the saving machine noted of itself", () => {
    const noted = poked(9, 16, 0x12).map((record) =>
      record.type === 8 ? { type: 8, body: new Uint8Array(24).fill(1) } : record,
    );
    expect(decodeHvmState(noted, 2)).toEqual([FIRST, SECOND]);
  });

  test.each<[string, StateRecord[], number, object]>([
    ["another number of vCPUs", records(), 3, { recordType: 9, offset: 2112 }],
    ["fewer vCPUs", records(), 1, { recordType: 9, offset: 1072 }],
    ["no records", [], 2, { recordType: 9 }],
    ["no TSC record", records().slice(1), 2, { recordType: 8 }],
    ["no parameters", records().filter(({ type }) => type !== 10), 2, { recordType: 9 }],
    ["parameters after the context", records().reverse(), 2, { recordType: 9 }],
    ["a repeated record", [...records(), records()[0]!], 2, { recordType: 8 }],
    [
      "an unknown record",
      [{ type: 4, body: new Uint8Array(8) }, ...records()],
      2,
      { recordType: 4 },
    ],
    ["a short TSC record", changed(8, (body) => body.slice(1)), 2, { recordType: 8, offset: 23 }],
    ["a long TSC record", changed(8, () => new Uint8Array(32)), 2, { recordType: 8, offset: 24 }],
    ["short parameters", changed(10, (body) => body.slice(0, 7)), 2, { recordType: 10, offset: 7 }],
    ["a count of 2^32 - 1", changed(10, (b) => b.fill(255, 0, 4)), 2, { recordType: 10 }],
    ["an unknown parameter", poked(10, 8, 7), 2, { recordType: 10, offset: 8 }],
    ["an empty context", changed(9, () => new Uint8Array()), 2, { recordType: 9, offset: 0 }],
    ["a context cut in a CPU", changed(9, (b) => b.slice(0, 1500)), 2, { offset: 1500 }],
    ["a context without its end", changed(9, (b) => b.slice(0, -8)), 2, { offset: 2112 }],
    ["octets after the end", changed(9, (b) => new Uint8Array([...b, 0])), 2, { offset: 2120 }],
    ["another magic number", poked(9, 8, 0), 2, { recordType: 9, offset: 8 }],
    ["a repeated CPU", poked(9, 1074, 0), 2, { recordType: 9, offset: 1072 }],
    ["an unknown entry", poked(9, 32, 5), 2, { recordType: 9, offset: 32 }],
    ["an entry of another length", poked(9, 36, 9), 2, { recordType: 9, offset: 36 }],
    ["a register that must be as after reset", poked(9, 40 + 600, 1), 2, { offset: 640 }],
    ["a rip that is not the next store", poked(9, 40 + 640, 0), 2, { offset: 680 }],
  ])("refuses %s", (_, tampered, vcpuCount, where) => {
    expect(() => decodeHvmState(tampered, vcpuCount)).toThrow(
      expect.objectContaining({ code: "GUEST_STATE", where: expect.objectContaining(where) }),
    );
  });

  test("refuses a cursor outside a vCPU's pages", () => {
    const config = { ...parseGuestSpec("synthetic:memory=4M,hot=40K"), vcpus: 2 };
    expect(decodeGuestState(encodeHvmState([{ ...FIRST, cursor: 4n }, SECOND]), config)).toEqual([
      { ...FIRST, cursor: 4n },
      SECOND,
    ]);
    expect(() => decodeGuestState(encodeHvmState([FIRST, SECOND]), config)).toThrow(
      expect.objectContaining({ code: "GUEST_STATE" }),
    );
  });
});
