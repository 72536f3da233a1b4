import type { BodySource, CpuidLeaf } from "../codec/bodies.ts";
import { decodeCpuidPolicy, decodeMsrPolicy } from "../codec/bodies.ts";
import { cpuFeatures, cpuIdentity, leafFeatures } from "../codec/cpu-policy.ts";

import { decodeHvmEntry, type HvmEntry, splitHvmContext } from "../codec/hvm-context.ts";
import { hexText } from "../codec/layout.ts";
import { NO_SUBLEAF } from "../format/cpuid-features.ts";
import { msrName } from "../format/msr.ts";
import { faultOf, type JsonObject } from "./inspect-json.ts";
import type { VcpuPaging } from "./vcpu-paging.ts";

/** Leaves and registers that are shown; the rest is only counted. */
const LEAVES_MAX = 1024;

/** Octets of HVM_CONTEXT that are decoded; of entries behind them only the heads are shown. */
const CONTEXT_BYTES_MAX = 4 * 1024 * 1024;

const REGISTERS = ["eax", "ebx", "ecx", "edx"] as const;

/** What X86_CPUID_POLICY holds: who the CPU is, its features, its leaves. */
export function describeCpuidPolicy(record: BodySource): JsonObject {
  const leaves = decodeCpuidPolicy(record);
  const cpu = { leaves: leaves.slice(0, LEAVES_MAX), msrs: undefined };
  const { names, unnamed } = cpuFeatures(cpu);
  return {
    count: leaves.length,
    cpu: { ...cpuIdentity(cpu) },
    features: names,
    unnamed_features: unnamed,
    leaves: cpu.leaves.map(describeLeaf),
  };
}

/** What X86_MSR_POLICY holds. */
export function describeMsrPolicy(record: BodySource): JsonObject {
  const msrs = decodeMsrPolicy(record);
  const shown = msrs.slice(0, LEAVES_MAX).map((entry) => ({
    msr: hexText(entry.index),
    name: msrName(entry.index) ?? null,
    flags: entry.flags,
    value: hexText(entry.value),
    features: cpuFeatures({ leaves: [], msrs: [entry] }).names,
  }));
  return { count: msrs.length, msrs: shown };
}

/** What HVM_CONTEXT holds, entry by entry; the vCPUs' page tables go to `paging`. */
export function describeHvmContext(record: BodySource, paging: VcpuPaging): JsonObject {
  const { entries, trailingBytes, error } = splitHvmContext(record);
  return {
    entries: entries.map((entry) => describeEntry(entry, paging)),
    trailing_bytes: trailingBytes,
    ...(error === undefined ? {} : { error: faultOf(error) }),
  };
}

function describeEntry(entry: HvmEntry, paging: VcpuPaging): JsonObject {
  const { typecode, name, instance, bodyOffset, content } = entry;
  const head = {
    type: name ?? hexText(typecode),
    instance,
    body_offset: bodyOffset,
    bytes: content.length,
  };
  if (bodyOffset >= CONTEXT_BYTES_MAX) {
    return head;
  }
  const fields = decodeHvmEntry(entry);
  if (name === "CPU") {
    paging.addHvm(instance, fields);
  }
  return { ...head, fields };
}

function describeLeaf(leaf: CpuidLeaf): JsonObject {
  const features = REGISTERS.map((register) => [register, leafFeatures(leaf, register)] as const);
  return {
    leaf: hexText(leaf.leaf),
    subleaf: leaf.subleaf === NO_SUBLEAF ? null : leaf.subleaf,
    ...Object.fromEntries(REGISTERS.map((register) => [register, hexText(leaf[register])])),
    features: Object.fromEntries(features.filter(([, names]) => names.length > 0)),
  };
}
