import { describe, expect, test } from "vitest";
import { decodeCpuidPolicy, decodeHvmParams, decodeMsrPolicy } from "../../src/codec/bodies.ts";
import { cpuFeatures, cpuIdentity, leafFeatures } from "../../src/codec/cpu-policy.ts";
import { NO_SUBLEAF } from "../../src/format/cpuid-features.ts";
import { hvmParamName } from "../../src/format/libxc.ts";
import { fixture, fixtureText } from "../support/fixtures.ts";

const order = { byteOrder: "little" } as const;
const leaves = decodeCpuidPolicy({ body: fixture("cpuid-policy"), ...order });
const msrs = decodeMsrPolicy({ body: fixture("msr-policy"), ...order });

function leaf(number: number, registers: Partial<(typeof leaves)[number]>) {
  return { leaf: number, subleaf: NO_SUBLEAF, eax: 0, ebx: 0, ecx: 0, edx: 0, ...registers };
}

test("leaves and registers of a policy are those xen-cpuid prints of the guest", () => {
  const printed = fixtureText("cpu-policy");
  const hex = (value: number | bigint, digits: number) => value.toString(16).padStart(digits, "0");
  const lines = leaves
    .filter(({ eax, ebx, ecx, edx }) => [eax, ebx, ecx, edx].some((value) => value !== 0))
    .map(({ leaf: number, subleaf, eax, ebx, ecx, edx }) => {
      const values = [eax, ebx, ecx, edx].map((value) => hex(value, 8));
      return `  ${hex(number, 8)}:${hex(subleaf, 8)} -> ${values.join(":")}`;
    });
  const registers = msrs.map(({ index, value }) => `  ${hex(index, 8)} -> ${hex(value, 16)}`);
  const theirs = printed.split("\n").filter((line) => / -> [0-9a-f]{8}/.test(line));
  expect([...lines, ...registers]).toEqual(theirs);
  expect(printed).toContain(`${leaves.length} leaves, ${msrs.length} MSRs`);
});

test("params of a record are those that xc.hvm_get_param gives of the guest", () => {
  const theirs = new Map(
    fixtureText("hvm-params")
      .trimEnd()
      .split("\n")
      .map((line) => line.split(" ") as [string, string]),
  );
  const { params } = decodeHvmParams({ body: fixture("hvm-params"), ...order });
  expect(params.map(({ index }) => hvmParamName(index))).toEqual([
    ...["STORE_PFN", "IOREQ_PFN", "BUFIOREQ_PFN", "PAGING_RING_PFN", "MONITOR_RING_PFN"],
    ...["SHARING_RING_PFN", "VM86_TSS_SIZED", "CONSOLE_PFN", "ACPI_IOPORTS_LOCATION", "VIRIDIAN"],
    ...["IDENT_PT", "IOREQ_SERVER_PFN", "NR_IOREQ_SERVER_PAGES"],
  ]);
  for (const { index, value } of params) {
    expect([index, `0x${value.toString(16)}`]).toEqual([index, theirs.get(index.toString())]);
  }
});

describe("cpuFeatures", () => {
  test("of a real policy", () => {
    const { names, unnamed } = cpuFeatures({ leaves, msrs });
    expect(names.join(" ")).toBe(
      "fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush acpi mmx fxsr " +
        "sse sse2 ss htt sse3 pclmulqdq ssse3 cx16 sse4-1 sse4-2 x2apic movbe popcnt aesni xsave " +
        "rdrand hypervisor syscall nx mmxext page1gb lm 3dnowext 3dnow lahf-lm cr8-legacy abm " +
        "sse4a xsaveopt xgetbv1 fsgsbase bmi1 smep bmi2 erms adx clflushopt clwb umip pku " +
        "no-lmsl lfence-dispatch",
    );
    expect(unnamed).toEqual([]);
  });

  test("by bit, from leaves, subleaves and registers", () => {
    const some = [
      leaf(0x1, { edx: 0x8000_0001, ecx: 1 << 26 }),
      leaf(0x7, { subleaf: 1, eax: 1 << 5 }),
      leaf(0x7, { subleaf: 3, ebx: 0xffff_ffff }),
      leaf(0x8000_0008, { ebx: 1 << 12 }),
    ];
    const registers = [{ index: 0x10a, flags: 0, value: 0x1_0000_0000n + 0x20n }];
    expect(cpuFeatures({ leaves: some, msrs: registers })).toEqual({
      names: ["fpu", "pbe", "xsave", "ibpb", "avx512-bf16", "mds-no", "pb-opt-ctrl"],
      unnamed: [],
    });
  });

  test("bits without a name are told by their place; those AMD repeats are not", () => {
    const some = [leaf(0x8000_0001, { edx: 0x0183_f3ff | (1 << 10) }), leaf(0x1, { edx: 1 << 10 })];
    expect(cpuFeatures({ leaves: some, msrs: undefined })).toEqual({
      names: [],
      unnamed: ["1.edx bit 10", "80000001.edx bit 10"],
    });
  });

  test("of one register", () => {
    expect(leafFeatures(leaf(0xd, { subleaf: 1, eax: 0b1010, ebx: 5 }), "eax")).toEqual([
      "xsavec",
      "xsaves",
    ]);
    expect(leafFeatures(leaf(0xd, { subleaf: 1, eax: 0b1010, ebx: 5 }), "ebx")).toEqual([]);
  });
});

describe("cpuIdentity", () => {
  test("of a real policy", () => {
    expect(cpuIdentity({ leaves, msrs })).toEqual({
      vendor: "AuthenticAMD",
      brand: "QEMU TCG CPU version 2.5+",
      family: 15,
      model: 107,
      stepping: 1,
      max_leaf: "0xd",
      max_extended_leaf: "0x80000021",
      physical_address_bits: 40,
      linear_address_bits: 48,
      xstate: ["x87", "sse", "pkru"],
    });
  });

  test.each([
    ["family 6 with an extended model", 0x000a_0671, { family: 6, model: 167, stepping: 1 }],
    ["an extended family", 0x00a2_0f12, { family: 25, model: 33, stepping: 2 }],
    ["neither", 0x0000_0543, { family: 5, model: 4, stepping: 3 }],
  ])("%s", (_name, eax, expected) => {
    expect(cpuIdentity({ leaves: [leaf(1, { eax })], msrs: [] })).toMatchObject(expected);
  });

  test("nothing known is nothing said, and no control characters", () => {
    expect(cpuIdentity({ leaves: [], msrs: [] })).toMatchObject({
      vendor: "",
      brand: "",
      family: 0,
    });
    const odd = leaf(0, { ebx: 0x0a1b_0741, edx: 0x4141_4141, ecx: 0x4141_4141 });
    expect(cpuIdentity({ leaves: [odd], msrs: [] }).vendor).toBe("A???AAAAAAAA");
  });
});
