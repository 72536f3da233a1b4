import { type CpuidRegister, FEATURE_WORDS, NO_SUBLEAF } from "../format/cpuid-features.ts";
import { xstateNames } from "../format/x86-state.ts";
import type { CpuidLeaf, MsrEntry } from "./bodies.ts";
import { hexText } from "./layout.ts";

/** Leaves that say who made a CPU and how large its addresses are. */
const LEAF_MAX_BASIC = 0x0;
const LEAF_FAMILY = 0x1;
const LEAF_XSTATE = 0xd;
const LEAF_BRAND_FIRST = 0x8000_0002;
const LEAF_ADDRESS_SIZES = 0x8000_0008;
const LEAF_MAX_EXTENDED = 0x8000_0000;

/** Octets of a brand, three leaves of text. */
const BRAND_LEAVES = 3;

/** What a CPU can do, or a guest is told of it. */
export interface CpuFeatures {
  /** Xen's names, in the order of its featureset. */
  readonly names: readonly string[];
  /** Bits that are set and have no name: `7:0.ebx bit 22`. */
  readonly unnamed: readonly string[];
}

/** Who a CPU is, by its CPUID leaves. */
export interface CpuIdentity {
  readonly vendor: string;
  /** Without the spaces around it; empty where it has none. */
  readonly brand: string;
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  /** Highest leaves, in hexadecimal. */
  readonly max_leaf: string;
  readonly max_extended_leaf: string;
  readonly physical_address_bits: number;
  readonly linear_address_bits: number;
  /** Components of extended state. */
  readonly xstate: readonly string[];
}

/** A CPU's leaves and registers; the latter may be unknown, as on the machine itself. */
export interface CpuLeaves {
  readonly leaves: readonly CpuidLeaf[];
  readonly msrs: readonly MsrEntry[] | undefined;
}

/** Finds the features that leaves and registers tell of. */
export function cpuFeatures(cpu: CpuLeaves): CpuFeatures {
  const names: string[] = [];
  const unnamed: string[] = [];
  for (const word of FEATURE_WORDS) {
    const value = wordValue(cpu, word.from) & ~word.repeatedMask;
    for (let bit = 0; bit < 32; bit++) {
      if (((value >>> bit) & 1) === 1) {
        const name = word.names[bit];
        if (name === undefined) {
          unnamed.push(`${placeOf(word.from)} bit ${bit}`);
        } else {
          names.push(name);
        }
      }
    }
  }
  return { names, unnamed };
}

/** Says who a CPU is; numbers that its leaves do not tell are 0. */
export function cpuIdentity({ leaves }: CpuLeaves): CpuIdentity {
  const basic = findLeaf(leaves, LEAF_MAX_BASIC);
  const sizes = findLeaf(leaves, LEAF_ADDRESS_SIZES)?.eax ?? 0;
  const xstate = findLeaf(leaves, LEAF_XSTATE, 0);
  const mask = (BigInt(xstate?.edx ?? 0) << 32n) | BigInt(xstate?.eax ?? 0);
  return {
    vendor: basic === undefined ? "" : textOf([basic.ebx, basic.edx, basic.ecx]),
    brand: brandOf(leaves),
    ...familyOf(findLeaf(leaves, LEAF_FAMILY)?.eax ?? 0),
    max_leaf: hexText(basic?.eax ?? 0),
    max_extended_leaf: hexText(findLeaf(leaves, LEAF_MAX_EXTENDED)?.eax ?? 0),
    physical_address_bits: sizes & 0xff,
    linear_address_bits: (sizes >>> 8) & 0xff,
    xstate: xstateNames(mask & (2n ** 63n - 1n)),
  };
}

/** Where a word of features is told, such as `7:0.ebx`. */
export function placeOf(from: (typeof FEATURE_WORDS)[number]["from"]): string {
  if (from.kind === "msr") {
    return `msr ${from.index.toString(16)}.${from.half}`;
  }
  const subleaf = from.subleaf === NO_SUBLEAF ? "" : `:${from.subleaf}`;
  return `${from.leaf.toString(16)}${subleaf}.${from.register}`;
}

/** The names of the features in one register of a leaf. */
export function leafFeatures(leaf: CpuidLeaf, register: CpuidRegister): readonly string[] {
  const { names } = cpuFeatures({ leaves: [only(leaf, register)], msrs: [] });
  return names;
}

function only(leaf: CpuidLeaf, register: CpuidRegister): CpuidLeaf {
  const { leaf: number, subleaf } = leaf;
  return { leaf: number, subleaf, eax: 0, ebx: 0, ecx: 0, edx: 0, [register]: leaf[register] };
}

function wordValue(cpu: CpuLeaves, from: (typeof FEATURE_WORDS)[number]["from"]): number {
  if (from.kind === "cpuid") {
    return findLeaf(cpu.leaves, from.leaf, from.subleaf)?.[from.register] ?? 0;
  }
  const value = cpu.msrs?.find(({ index }) => index === from.index)?.value ?? 0n;
  return Number(from.half === "low" ? value & 0xffff_ffffn : value >> 32n);
}

function findLeaf(
  leaves: readonly CpuidLeaf[],
  number: number,
  subleaf = NO_SUBLEAF,
): CpuidLeaf | undefined {
  return leaves.find((leaf) => leaf.leaf === number && leaf.subleaf === subleaf);
}

/** @source Intel SDM 2A, CPUID, "Version Information" */
function familyOf(eax: number): Pick<CpuIdentity, "family" | "model" | "stepping"> {
  const family = (eax >>> 8) & 0xf;
  const model = (eax >>> 4) & 0xf;
  const hasExtendedModel = family === 0x6 || family === 0xf;
  return {
    family: family === 0xf ? family + ((eax >>> 20) & 0xff) : family,
    model: hasExtendedModel ? model + (((eax >>> 16) & 0xf) << 4) : model,
    stepping: eax & 0xf,
  };
}

function brandOf(leaves: readonly CpuidLeaf[]): string {
  const parts = Array.from({ length: BRAND_LEAVES }, (_, index) =>
    findLeaf(leaves, LEAF_BRAND_FIRST + index),
  );
  return textOf(parts.flatMap((leaf) => (leaf ? [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx] : [])));
}

function textOf(words: readonly number[]): string {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, word] of words.entries()) {
    view.setUint32(index * 4, word, true);
  }
  const end = bytes.indexOf(0);
  const text = Buffer.from(end === -1 ? bytes : bytes.subarray(0, end)).toString("latin1");
  return text.replace(/[^ -~]/g, "?").trim();
}
