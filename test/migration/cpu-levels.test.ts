import { describe, expect, test } from "vitest";
import { NO_SUBLEAF } from "../../src/format/cpuid-features.ts";
import {
  compareCpus,
  isRunnable,
  type KnownCpu,
  levelCpus,
} from "../../src/migration/cpu-levels.ts";
import { readCpuPolicy } from "../../src/migration/read-policy.ts";
import { goldenStreams } from "../golden/build.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import { sourceOf } from "../support/sources.ts";

const FPU = 1;
const CX8 = 1 << 8;
const SSE = 1 << 25;
const AVX = 1 << 28;
const OSXSAVE = 1 << 27;
const X2APIC = 1 << 21;
const MD_CLEAR = 1 << 10;

interface Told {
  readonly edx1?: number;
  readonly ecx1?: number;
  readonly edx7?: number;
  readonly ecx7?: number;
  readonly archCaps?: bigint;
  readonly addressBits?: number;
  readonly xstate?: number;
  readonly vendor?: number;
}

function cpu(told: Told, kind: KnownCpu["kind"] = "hvm"): KnownCpu {
  const leaf = { subleaf: NO_SUBLEAF, eax: 0, ebx: 0, ecx: 0, edx: 0 };
  return {
    leaves: [
      { ...leaf, leaf: 0, ebx: told.vendor ?? 0x41414141 },
      { ...leaf, leaf: 1, edx: told.edx1 ?? FPU, ecx: told.ecx1 ?? 0 },
      { ...leaf, leaf: 7, subleaf: 0, edx: told.edx7 ?? 0, ecx: told.ecx7 ?? 0 },
      { ...leaf, leaf: 0xd, subleaf: 0, eax: told.xstate ?? 3 },
      { ...leaf, leaf: 0x8000_0008, eax: 0x3000 | (told.addressBits ?? 40) },
    ],
    msrs: [{ index: 0x10a, flags: 0, value: told.archCaps ?? 0n }],
    kind,
  };
}

describe("compareCpus", () => {
  test("the same has nothing to name", () => {
    const comparison = compareCpus(cpu({ edx1: FPU | SSE }), cpu({ edx1: FPU | SSE | CX8 }));
    expect(isRunnable(comparison)).toBe(true);
    expect(comparison).toEqual({
      lacking: [],
      lacking_unnamed: [],
      lacking_xstate: [],
      untold: [],
      differing: [],
      compares_msrs: true,
    });
  });

  test("names what the other side lacks, of leaves, registers, state and addresses", () => {
    const guest = cpu({
      edx1: FPU | SSE | (1 << 10),
      ecx1: AVX,
      archCaps: 0x20n,
      addressBits: 46,
      xstate: 7,
    });
    const comparison = compareCpus(guest, cpu({ edx1: FPU, vendor: 0x42424242 }));
    expect(comparison).toMatchObject({
      lacking: ["sse", "avx", "mds-no"],
      lacking_unnamed: ["1.edx bit 10"],
      lacking_xstate: ["avx"],
      differing: ["vendor BBBB, not AAAA", "physical_address_bits 40, not 46"],
    });
    expect(isRunnable(comparison)).toBe(false);
  });

  test("what a guest switches on itself is no feature", () => {
    const guest = cpu({ ecx1: OSXSAVE, ecx7: 1 << 4 });
    expect(isRunnable(compareCpus(guest, cpu({})))).toBe(true);
  });

  test("a remedy matters the other way round", () => {
    const [told, untold] = [cpu({ edx7: MD_CLEAR }), cpu({})];
    expect(compareCpus(told, untold)).toMatchObject({
      lacking: [],
      untold: [],
    });
    const other = compareCpus(untold, told);
    expect(other).toMatchObject({ lacking: [], untold: ["md-clear"] });
    expect(isRunnable(other)).toBe(true);
  });

  test("a CPU itself need not have what Xen adds, and its registers are not known", () => {
    const guest = cpu({ ecx1: X2APIC | AVX, archCaps: 0x20n });
    const host = { ...cpu({}, "cpu"), msrs: undefined };
    expect(compareCpus(guest, host)).toMatchObject({ lacking: ["avx"], compares_msrs: false });
    expect(compareCpus(guest, { ...host, kind: "hvm" }).lacking).toEqual(["x2apic", "avx"]);
  });
});

describe("guests of different kinds", () => {
  const SMEP = 1 << 7;
  const PSE = 1 << 3;
  const hvm = (told: Told) => {
    const known = cpu({ xstate: 0x203, ...told });
    const [basic, family, seven, ...rest] = known.leaves;
    return { ...known, leaves: [basic!, family!, { ...seven!, ebx: SMEP }, ...rest] };
  };

  test("what PV guests are never told of is not lacking", () => {
    const guest = hvm({ edx1: FPU | PSE | SSE });
    expect(compareCpus(guest, cpu({}, "pv"))).toMatchObject({
      lacking: ["sse"],
      lacking_xstate: [],
    });
    expect(compareCpus(guest, cpu({})).lacking).toEqual(["pse", "sse", "smep"]);
  });

  test("nor is it switched off, with which HVM guests could not run", () => {
    const level = levelCpus([hvm({ edx1: FPU | PSE, ecx1: AVX }), cpu({}, "pv")]);
    expect(level).toMatchObject({
      common: ["fpu", "pse", "smep"],
      removed: ["avx"],
      line: 'cpuid="host,avx=0"',
    });
  });

  test("what Xen adds to a CPU is not switched off for it", () => {
    expect(levelCpus([cpu({ ecx1: X2APIC }), cpu({}, "cpu")]).line).toBe('cpuid="host"');
  });
});

describe("levelCpus", () => {
  test("switches off what not all have, by the names xl knows", () => {
    const level = levelCpus([
      cpu({ edx1: FPU | SSE | CX8, ecx1: AVX }),
      cpu({ edx1: FPU | SSE, ecx1: AVX }),
      cpu({ edx1: FPU | SSE | (1 << 10) }),
    ]);
    expect(level).toEqual({
      common: ["fpu", "sse"],
      removed: ["cx8", "avx"],
      forced: [],
      unnamed: ["1.edx bit 10"],
      line: 'cpuid="host,cmpxchg8=0,avx=0"',
    });
  });

  test("a remedy that one needs is told to all", () => {
    const level = levelCpus([cpu({ edx7: MD_CLEAR }), cpu({ archCaps: 4n }), cpu({})]);
    expect(level).toMatchObject({
      removed: [],
      forced: ["md-clear", "rsba"],
      line: 'cpuid="host,md-clear=1,rsba=1"',
    });
  });

  test("one alone, or equal ones, need nothing", () => {
    expect(levelCpus([cpu({ ecx1: AVX })]).line).toBe('cpuid="host"');
    const [a, b] = [cpu({ ecx1: AVX | OSXSAVE }), cpu({ ecx1: AVX })];
    expect(levelCpus([a, b]).line).toBe('cpuid="host"');
  });

  test("registers of which one is not known are left alone", () => {
    const [a, b] = [cpu({ archCaps: 0x20n }), { ...cpu({}), msrs: undefined }];
    expect(levelCpus([a, b])).toMatchObject({ removed: [], line: 'cpuid="host"' });
  });
});

describe("readCpuPolicy", () => {
  const options = { pageDataHead: plainHeadCodec };

  test("reads no more than it must", async () => {
    const stream = goldenStreams().get("hvm-v3.xl")!;
    const source = sourceOf(stream, () => 8);
    const { leaves, msrs } = await readCpuPolicy(source, options);
    expect(leaves).toHaveLength(2);
    expect(msrs).toEqual([{ index: 0xce, flags: 0, value: 0x8000_0000n }]);
    expect(source.offset).toBe(278);
  });

  test.each(["hvm-v2.libxc"])("%s has none", async (name) => {
    const source = sourceOf(goldenStreams().get(name)!);
    await expect(readCpuPolicy(source, options)).rejects.toMatchObject({
      code: "STREAM_NO_POLICY",
    });
  });
});
